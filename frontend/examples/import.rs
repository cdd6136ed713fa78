//! Imports an ONNX file and prints it as tensor IR: `cargo run --example import -- net.onnx [--full]`.

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(path) = args.next() else {
        eprintln!("usage: import NET.onnx [--full]");
        std::process::exit(2);
    };
    match fhec_frontend::import(path.as_ref(), &fhec_frontend::Options::default()) {
        Ok(import) if args.next().is_some() => print!("{}", fhec_ir::text::print(&*import.graph)),
        Ok(import) => print!("{}", fhec_ir::text::print(&*import.graph)),
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1);
        }
    }
}
