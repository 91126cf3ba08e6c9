//! The `raceguard` program; everything is in the library.

/// `check` makes and drops millions of small objects on all cores at once, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    raceguard::cli::main()
}
