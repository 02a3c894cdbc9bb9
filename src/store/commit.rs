//! The answer to a write: a future that resolves when the change is durable, or was refused.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::StoreError;

/// Resolves when a change is durable.
///
/// Dropping it changes nothing: the change is made all the same.
#[derive(Debug)]
#[must_use = "a commit may be dropped on purpose, but say so with `.detach()`"]
pub struct Commit<T>(CommitState<T>);

#[derive(Debug)]
enum CommitState<T> {
    Ready(Option<Result<T, StoreError>>),
    Waiting(oneshot::Receiver<Result<T, StoreError>>),
}

impl<T> Commit<T> {
    /// One that is decided already.
    pub fn ready(result: Result<T, StoreError>) -> Self {
        Self(CommitState::Ready(Some(result)))
    }

    /// One that the writer will decide.
    pub fn waiting(receiver: oneshot::Receiver<Result<T, StoreError>>) -> Self {
        Self(CommitState::Waiting(receiver))
    }

    /// Lets the change happen without waiting for it.
    pub fn detach(self) {
        drop(self);
    }
}

impl<T: Unpin> Commit<T> {
    /// Blocks this thread until the change is decided: for start-up, commands and tests, never for an arbiter that serves.
    ///
    /// # Errors
    ///
    /// What the store answered.
    pub fn wait(self) -> Result<T, StoreError> {
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut context = Context::from_waker(&waker);
        let mut commit = std::pin::pin!(self);
        loop {
            match commit.as_mut().poll(&mut context) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

impl<T: Unpin> Future for Commit<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            CommitState::Ready(result) => Poll::Ready(result.take().unwrap_or(Err(StoreError::Closed))),
            // A dropped sender means that the writer has ended.
            CommitState::Waiting(receiver) => {
                Pin::new(receiver).poll(cx).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
            }
        }
    }
}
