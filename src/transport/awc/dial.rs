//! The layer between awc and the connector: notes that a try connects, speaks TLS, and gives awc a [`Stream`].
//!
//! TLS is here and not in awc so that a failed handshake keeps its name and its certificate's, and so that what stands
//! above the encryption is ours. Resolving and connecting are the inner service's.

use std::{rc::Rc, sync::Arc};

use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actix_web::{
    dev::{Service, forward_ready},
    rt::net::TcpStream,
};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use rustls::pki_types::ServerName;

use crate::domain::ErrorCode;

use super::{
    failure::Failure,
    stream::{Seen, Stream},
};

/// How to speak TLS to one origin.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<rustls::ClientConfig>,
    /// `None` where the host is no name that a certificate could have.
    name: Option<ServerName<'static>>,
    /// As the URL has it, for people.
    host: Rc<str>,
}

impl Tls {
    /// For the host of a URL: a name or an address, with or without brackets.
    pub(super) fn new(config: Arc<rustls::ClientConfig>, host: &str) -> Self {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Self { config, name: ServerName::try_from(bare.to_owned()).ok(), host: host.into() }
    }

    async fn handshake(self, io: TcpStream) -> Result<Stream, Failure> {
        let Some(name) = self.name else {
            let message = format!("{} is no name that a certificate could be for", self.host);
            return Err(Failure::new(ErrorCode::CertNameInvalid, message));
        };
        let done = tokio_rustls::TlsConnector::from(self.config).connect(name, io).await;
        done.map(Stream::tls).map_err(|error| Failure::of_handshake(&self.host, &error))
    }
}

/// Connects with `inner`, then speaks TLS where the origin wants it.
#[derive(Clone)]
pub(super) struct Dial<S> {
    pub(super) inner: S,
    pub(super) tls: Option<Tls>,
}

impl<S> Service<ConnectInfo<Uri>> for Dial<S>
where
    S: Service<ConnectInfo<Uri>, Response = Connection<Uri, TcpStream>, Error = ConnectError>,
    S::Future: 'static,
{
    type Response = Connection<Uri, Stream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(inner);

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        Seen::note_connecting();
        let (connecting, tls) = (self.inner.call(info), self.tls.clone());
        Box::pin(async move {
            let (io, uri) = connecting.await?.into_parts();
            let stream = match tls {
                None => Stream::plain(io),
                Some(tls) => tls.handshake(io).await.map_err(|failure| ConnectError::Io(failure.into_io()))?,
            };
            Ok(Connection::new(uri, stream))
        })
    }
}
