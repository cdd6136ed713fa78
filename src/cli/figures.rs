//! What a plan holds and costs: as JSON under stable names, and in lines for people.

use fhec_ir::plan::{
    BudgetReport, ClientInput, ClientSection, ClientSpec, ImageAxes, LayerReport, MemoryReport,
    PlacementReport, Plan, PlanId, Report, Tail, TailResult,
};
use fhec_ir::text::shape_text;
use serde_json::{Value, json};

use super::output::bytes;

/// The numbers of a plan under their stable names.
pub(crate) fn numbers(plan: &Plan, id: PlanId, plan_bytes: u64) -> Value {
    let report = &plan.report;
    let mut numbers = json!({
        "plan_id": id.to_string(), "network": plan.client.network,
        "n": 1u64 << plan.parameters.log_n, "log_qp": report.log_qp, "security_bits": report.security_bits,
        "scale_bits": plan.parameters.scale_bits, "levels": plan.parameters.q.len() - 1,
        "bootstraps": report.bootstraps, "bootstrap_pairs": report.pairs,
        "rotation_keys": plan.keys.rotations.len(), "key_bytes": plan.keys.bytes(), "plan_bytes": plan_bytes,
        "predicted_seconds": report.predicted_seconds, "predicted_wall_seconds": report.wall_seconds(),
        "predicted_threads": report.threads, "predicted_plaintext_seconds": report.predicted_plaintext_seconds,
        "predicted_peak_bytes": report.memory.total(), "predicted_memory": report.memory,
        "placement": report.placement, "budget": report.budget,
        "predicted_precision_bits": plan.client.precision_bits(),
        "samples": report.samples, "diverging_samples": report.diverging,
        "inputs": input_numbers(&plan.client),
        "input_bounds": plan.client.inputs.iter().map(|i| i.bound).collect::<Vec<_>>(),
        "output_bounds": plan.client.outputs.iter().map(|o| o.bound).collect::<Vec<_>>(),
        "output_ranges": plan.client.outputs.iter().map(|o| o.range).collect::<Vec<_>>(),
        "output_errors": plan.client.outputs.iter().map(|o| o.error).collect::<Vec<_>>(),
    });
    merge(&mut numbers, outputs(&plan.client));
    merge(&mut numbers, work(&report.layers));
    let layers = numbers["layers"].as_array_mut().into_iter().flatten();
    for (layer, l) in layers.zip(&report.layers) {
        layer["predicted_seconds"] = json!(l.predicted_seconds);
        layer["predicted_plaintext_seconds"] = json!(l.predicted_plaintext_seconds);
        layer["key_bytes"] = json!(l.key_bytes);
        layer["proven"] = json!(l.proven);
    }
    numbers
}

/// What the client runs and gives, under stable names: `tail` is what it runs in all, `outputs` what the user sees,
/// `raw_outputs` what is decrypted. A range is what the plan was made for; what the client runs has none.
fn outputs(client: &ClientSection) -> Value {
    let Ok(tail) = Tail::of(client) else { return json!({}) };
    let range = |k: usize| client.outputs.get(k).map(|o| [-o.bound, o.bound]);
    let classes = (!client.classes.is_empty()).then_some(&client.classes);
    let outputs = tail.results().iter().enumerate().map(|(k, r)| {
        json!({
            "name": r.name, "shape": r.shape, "tail": r.steps, "classes": classes.filter(|_| k == 0),
            "range": r.raw.and_then(range),
        })
    });
    let raw = client.outputs.iter().enumerate();
    let raw = raw.map(|(k, o)| json!({ "name": o.name, "shape": o.layout.shape(), "range": range(k) }));
    json!({
        "tail": tail.steps(), "outputs": outputs.collect::<Vec<_>>(), "raw_outputs": raw.collect::<Vec<_>>(),
    })
}

/// A line per output of the network, and one that says what the client runs, if it runs something.
fn output_lines(client: &ClientSection) -> Vec<String> {
    let Ok(tail) = Tail::of(client) else { return vec![] };
    let line = |(k, r): (usize, &TailResult)| {
        let classes = match client.classes.len() {
            0 => String::new(),
            _ if k > 0 => String::new(),
            n => format!(", {n} classes"),
        };
        format!("output     {} {}{classes}", r.name, shape_text(&r.shape))
    };
    let mut lines: Vec<String> = tail.results().iter().enumerate().map(line).collect();
    let steps = tail.steps();
    if !steps.is_empty() {
        lines.push(format!("the client runs: {}", steps.join(", ")));
    }
    lines
}

/// The counts of a schedule, in all and by layer: what is known without parameters.
pub(crate) fn work(layers: &[LayerReport]) -> Value {
    let total = |f: fn(&LayerReport) -> u64| layers.iter().map(f).fold(0, u64::saturating_add);
    let by_layer = layers.iter().map(|l| {
        json!({
            "name": l.name, "op": l.op, "layout": l.layout, "level_in": l.level_in, "level_out": l.level_out,
            "rotations": l.rotations, "hoisted_rotations": l.hoisted_rotations,
            "relinearisations": l.relinearisations, "key_switches": l.key_switches, "bootstraps": l.bootstraps,
            "bootstrap_pairs": l.pairs,
            "plaintexts": l.plaintexts, "plaintext_equivalents": l.plaintext_equivalents,
            "multiply_accumulates": l.multiply_accumulates, "instructions": l.instructions,
        })
    });
    json!({
        "instructions": total(|l| l.instructions),
        "rotations": total(|l| l.rotations),
        "hoisted_rotations": total(|l| l.hoisted_rotations),
        "relinearisations": total(|l| l.relinearisations),
        "key_switches": total(|l| l.key_switches),
        "multiply_accumulates": total(|l| l.multiply_accumulates),
        "plaintexts": total(|l| l.plaintexts),
        "plaintext_equivalents": layers.iter().map(|l| l.plaintext_equivalents).sum::<f64>(),
        "layers": by_layer.collect::<Vec<_>>(),
    })
}

/// Adds the entries of `more`.
pub(crate) fn merge(numbers: &mut Value, more: Value) {
    if let (Value::Object(numbers), Value::Object(more)) = (numbers, more) {
        numbers.extend(more);
    }
}

/// The line of a table that says what a schedule does.
pub(crate) fn work_line(numbers: &Value) -> String {
    let text = |key: &str| numbers[key].to_string();
    format!(
        "{} instructions, {} rotations ({} hoisted), {} key switches, {} plaintexts ({:.1} full ones)",
        text("instructions"),
        text("rotations"),
        text("hoisted_rotations"),
        text("key_switches"),
        text("plaintexts"),
        numbers["plaintext_equivalents"].as_f64().unwrap_or(0.0),
    )
}

/// A plan in lines for people.
pub(crate) fn table(plan: &Plan, numbers: &Value) -> Vec<String> {
    let report = &plan.report;
    let text = |key: &str| numbers[key].to_string();
    let mut lines = vec![format!("network    {}", plan.client.network)];
    lines.extend(inputs(&plan.client));
    lines.extend(output_lines(&plan.client));
    lines.extend([
        format!(
            "ring       N = 2^{}, log QP = {:.0}, {:.0} bits of security, {} levels of {} bits",
            plan.parameters.log_n,
            report.log_qp,
            report.security_bits,
            text("levels"),
            text("scale_bits"),
        ),
        bounds(plan),
        format!("work       {}", work_line(numbers)),
        format!("keys       {} for rotation, {}", text("rotation_keys"), bytes(plan.keys.bytes())),
    ]);
    lines.extend(report.placement.as_ref().map(placement));
    lines.extend(report.budget.as_ref().map(budget));
    lines.extend(predictions(plan));
    lines.push(String::new());
    lines.extend(layers(&report.layers));
    lines
}

/// The line that says for what numbers the plan was made.
fn bounds(plan: &Plan) -> String {
    let inputs = plan.client.inputs.iter().map(|i| format!("|{}| ≤ {:.4}", i.name, i.bound));
    let outputs =
        plan.client.outputs.iter().map(|o| format!("|{}| ≤ {:.4} ± {:.1e}", o.name, o.range, o.error));
    let sampled: Vec<&LayerReport> = plan.report.layers.iter().filter(|l| !l.proven).collect();
    let ranges = match (&sampled[..], plan.report.layers.len()) {
        ([], _) => "all ranges proven".to_string(),
        (sampled, all) if sampled.len() == all => "ranges known from samples only".to_string(),
        ([only], _) => format!("ranges proven, but from samples only in {}", only.name),
        ([first, .., last], all) => format!(
            "ranges from samples only in {} of {all} layers, {} to {}",
            sampled.len(),
            first.name,
            last.name
        ),
    };
    let bounds = inputs.chain(outputs).collect::<Vec<_>>().join(", ");
    format!("made for   {bounds}; {ranges}")
}

/// A line per input: what it takes.
fn inputs(client: &ClientSection) -> impl Iterator<Item = String> {
    client.inputs.iter().map(|input| format!("input      {input}"))
}

/// What the inputs take, under stable names.
fn input_numbers(client: &ClientSection) -> Value {
    let input = |input: &ClientInput| {
        let (shape, steps) = (input.layout.shape(), &input.preprocessing);
        let colours = ImageAxes::of(&shape).filter(|a| a.channels == 1 || a.channels == 3);
        let crop = colours.filter(|_| steps.crop).map(|a| [a.height, a.width]);
        json!({
            "name": input.name, "shape": shape, "range": [-input.bound, input.bound],
            "normalisation": {
                "divisor": input.normalisation.divisor, "mean": input.normalisation.mean,
                "std": input.normalisation.std,
            },
            "preprocessing": {
                "resize": steps.resize.map(|r| r.to_string()), "crop": crop,
                "channels": colours.map(|a| steps.channel_name(a.channels).to_lowercase()),
            },
        })
    };
    client.inputs.iter().map(input).collect()
}

/// The numbers of a client file under their stable names.
pub(crate) fn client_numbers(spec: &ClientSpec) -> Value {
    let mut numbers = json!({
        "plan_id": spec.plan.to_string(), "network": spec.client.network,
        "n": 1u64 << spec.parameters.log_n, "scale_bits": spec.parameters.scale_bits,
        "levels": spec.parameters.q.len() - 1, "rotation_keys": spec.keys.rotations.len(),
        "key_bytes": spec.keys.bytes(), "predicted_precision_bits": spec.client.precision_bits(),
        "inputs": input_numbers(&spec.client),
    });
    merge(&mut numbers, outputs(&spec.client));
    numbers
}

/// A client file in lines for people.
pub(crate) fn client_table(spec: &ClientSpec) -> Vec<String> {
    let ClientSpec { plan, parameters, keys, client } = spec;
    let mut lines = vec![format!("network    {}", client.network), format!("client of  plan {plan}")];
    lines.extend(inputs(client));
    lines.extend(output_lines(client));
    lines.push(format!(
        "ring       N = 2^{}, {} levels of {} bits",
        parameters.log_n,
        parameters.q.len() - 1,
        parameters.scale_bits
    ));
    lines.push(format!("keys       {} for rotation, {}", keys.rotations.len(), bytes(keys.bytes())));
    lines
}

/// The line that says what foresight is worth.
fn placement(placement: &PlacementReport) -> String {
    let PlacementReport { levels, bootstraps, pairs, slots, seconds, naive, exact } = placement;
    let cheapest = if *exact { "the cheapest placement" } else { "perhaps not the cheapest placement" };
    let naive = match naive {
        Some((seconds, bootstraps)) => {
            format!("{seconds:.2} s with {bootstraps} placed where levels run out")
        }
        None => "where levels run out none may be placed".into(),
    };
    let pairs = match pairs {
        0 => String::new(),
        1 => ", two of them at once".into(),
        n => format!(", {n} times two of them at once"),
    };
    format!(
        "bootstraps {bootstraps} of 2^{} slots{pairs}, {levels} levels apart: {seconds:.2} s modelled, {cheapest}; {naive}",
        slots.max(&1).ilog2(),
    )
}

/// The line that says what a memory budget cost.
fn budget(budget: &BudgetReport) -> String {
    let BudgetReport { bytes: limit, keys_before, key_bytes_before, seconds, seconds_in_all } = budget;
    format!(
        "budget     {}: {seconds_in_all:.2} s more than without, {seconds:.2} s of them for composed steps ({keys_before} keys \
         of {} before) and plaintexts made anew",
        bytes(*limit),
        bytes(*key_bytes_before),
    )
}

fn predictions(plan: &Plan) -> [String; 2] {
    let Report { predicted_seconds, predicted_plaintext_seconds, threads, memory, .. } = &plan.report;
    let time = format!(
        "predicted  {predicted_seconds:.2} s on one thread, {:.2} s on {threads}; {predicted_plaintext_seconds:.2} s once \
         for plaintexts; {:.1} bits of precision",
        plan.report.wall_seconds(),
        plan.client.precision_bits(),
    );
    let MemoryReport { keys, matrices, values, working, plaintexts } = *memory;
    let memory = format!(
        "memory     {}: keys {}, bootstrap matrices {}, values {}, working memory {}, plaintexts {}",
        bytes(memory.total()),
        bytes(keys),
        bytes(matrices),
        bytes(values),
        bytes(working),
        bytes(plaintexts)
    );
    [time, memory]
}

/// A line per layer, one of headings before and one of sums after them.
fn layers(layers: &[LayerReport]) -> Vec<String> {
    let head = format!(
        "{:<28} {:>7} {:>9} {:>5} {:>5} {:>6} {:>9} {:>9} {:>8}  {}",
        "layer", "levels", "rotations", "relin", "boots", "plain", "full ones", "keys", "seconds", "op"
    );
    let line = |l: &LayerReport| {
        let name: String = l.name.chars().take(28).collect();
        let levels = if l.level_out <= l.level_in {
            format!("{}→{}", l.level_in, l.level_out)
        } else {
            String::new()
        };
        // Those that share a decomposition, and those that do not.
        let rotations = match (l.hoisted_rotations, l.rotations.saturating_sub(l.hoisted_rotations)) {
            (0, 0) => "0".into(),
            (hoisted, full) => format!("{hoisted}+{full}"),
        };
        format!(
            "{name:<28} {levels:>7} {rotations:>9} {:>5} {:>5} {:>6} {:>9.1} {:>9} {:>8.3}  {}",
            l.relinearisations,
            l.bootstraps,
            l.plaintexts,
            l.plaintext_equivalents,
            bytes(l.key_bytes),
            l.predicted_seconds,
            l.op
        )
    };
    let sum = |f: fn(&LayerReport) -> u64| layers.iter().map(f).fold(0, u64::saturating_add);
    let all = LayerReport {
        name: "all".into(),
        level_out: u32::MAX,
        rotations: sum(|l| l.rotations),
        hoisted_rotations: sum(|l| l.hoisted_rotations),
        relinearisations: sum(|l| l.relinearisations),
        bootstraps: sum(|l| l.bootstraps),
        plaintexts: sum(|l| l.plaintexts),
        plaintext_equivalents: layers.iter().map(|l| l.plaintext_equivalents).sum(),
        predicted_seconds: layers.iter().map(|l| l.predicted_seconds).sum(),
        ..LayerReport::default()
    };
    // Layers share keys: their sum says nothing.
    let last = line(&all).replacen(&format!("{:>9}", bytes(0)), &format!("{:>9}", ""), 1);
    std::iter::once(head).chain(layers.iter().map(line)).chain([last.trim_end().to_string()]).collect()
}
