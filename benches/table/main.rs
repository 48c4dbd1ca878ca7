//! What `kedrctl` costs, beside what there is to compare it with in the same run: one table, in Markdown.
//!
//! `cargo bench` takes a few minutes, `cargo bench -- --full` goes up to 100,000 hosts, `cargo bench -- plan record`
//! makes parts of the table, and `--write` puts it into docs/performance.md. `cargo test --bench table` tries all of it
//! in a tiny size.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench says what it measured, or fails"
)]

mod bare_loop;
mod machine;
mod markdown;
mod ours;
mod parts;
mod peers;
mod process;
mod scale;
mod server;
mod workload;

use std::path::Path;

use scale::Wanted;

fn main() {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.next_if(|argument| argument == bare_loop::FLAG).is_some() {
        return bare_loop::run(arguments);
    }
    let Some(wanted) = Wanted::from_flags(arguments) else {
        panic!("flags are --full and --write; words are parts of the table");
    };
    let machine = machine::described();
    println!("{machine}");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    for (name, measure) in parts::ALL {
        if wanted.wants(name) {
            eprintln!("measuring: {name}");
            let section = measure(&wanted.scale);
            println!("\n{}", section.markdown());
            // At once: an hour's figures are not lost with the last part.
            if wanted.write {
                markdown::write_into(&page, &machine, &section);
            }
        }
    }
}
