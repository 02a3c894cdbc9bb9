//! The program: all of it lives in the library, so that tests can reach it.

/// Allocating and freeing is a large share of what an event costs: this one does it faster than the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    hookgate::cli::run()
}
