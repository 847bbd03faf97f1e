//! Facts from the pipeline's JSON in words.

use serde_json::Value;

/// A key: "found_where_visible" as "found where visible".
pub(super) fn name(key: &str) -> String {
    key.replace('_', " ")
}

/// A value in few words; what is not there is left out.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::String(s) => s.clone(),
        Value::Number(n) => match n.as_f64() {
            Some(x) if x.fract() != 0.0 => format!("{x:.3}"),
            _ => n.to_string(),
        },
        Value::Array(all) => all.iter().map(self::value).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let told = map.iter().filter(|(_, v)| !v.is_null());
            told.map(|(k, v)| format!("{} {}", name(k), self::value(v))).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_brackets_reach_the_reader() {
        let v = serde_json::json!({"at_wall": true, "colors": ["brown", "red"], "on": null, "share": 0.51234, "n": 3});
        assert_eq!(value(&v), "at wall yes, colors brown, red, n 3, share 0.512");
    }
}
