//! Flags to command to exit code; nothing else.

/// A plan of a large fleet is a great many small values, and the allocators of C libraries are slow at those, musl's most.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    kedrctl::cli::main().into()
}
