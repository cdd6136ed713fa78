//! A static report page.

use std::fmt::Write;

use serde_json::Value;

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222}\
h1{font-size:1.5em}table{border-collapse:collapse;width:100%;margin:1em 0}td,th{padding:.25em .6em;text-align:right;\
border-bottom:1px solid #ddd}td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}\
.bar{background:#4a7;height:.7em;display:inline-block}";

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn show(value: &Value) -> String {
    match value {
        Value::String(s) => escape(s),
        Value::Number(n) if n.is_f64() => format!("{:.3}", n.as_f64().unwrap_or(0.0)),
        other => escape(&other.to_string()),
    }
}

/// The page for the numbers of [`figures`](super::figures::numbers).
pub(crate) fn report(numbers: &Value) -> String {
    let title = show(&numbers["network"]);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><table>"
    );
    for (key, value) in numbers.as_object().into_iter().flatten().filter(|(k, _)| *k != "layers") {
        let _ = write!(page, "<tr><td>{}</td><td>{}</td></tr>", escape(key), show(value));
    }
    page += "</table><h2>Layers</h2><table><tr><th>layer</th><th>levels</th><th>rotations</th><th>key switches</th>\
             <th>plaintexts</th><th>seconds</th><th></th><th>op</th></tr>";
    let layers = numbers["layers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let seconds = |l: &Value| l["predicted_seconds"].as_f64().unwrap_or(0.0);
    let longest = layers.iter().map(seconds).fold(f64::MIN_POSITIVE, f64::max);
    for l in layers {
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}→{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.3}</td>\
             <td style=\"width:12em;text-align:left\"><span class=\"bar\" style=\"width:{:.1}%\"></span></td>\
             <td>{}</td></tr>",
            show(&l["name"]),
            l["level_in"],
            l["level_out"],
            l["rotations"],
            l["key_switches"],
            l["plaintexts"],
            seconds(l),
            100.0 * seconds(l) / longest,
            show(&l["op"]),
        );
    }
    page += "</table></html>\n";
    page
}
