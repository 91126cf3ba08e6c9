//! The `raceguard` program; everything is in the library.

fn main() -> std::process::ExitCode {
    raceguard::cli::main()
}
