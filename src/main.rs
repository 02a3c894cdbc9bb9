//! The program: all of it lives in the library, so that tests can reach it.

fn main() -> std::process::ExitCode {
    hookgate::cli::run()
}
