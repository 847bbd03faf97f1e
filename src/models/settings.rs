//! The part of TOML that the catalogue and the notes beside models use: tables, and keys with a string, a number, a
//! truth value or a list of strings on one line. <https://toml.io/en/v1.0.0>

use super::ModelError;
use std::path::Path;

/// What a key may hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A truth value.
    Truth(bool),
    /// A number.
    Number(f64),
    /// Strings.
    List(Vec<String>),
}

/// A table: the name in its brackets (empty for what stands before the first) and its keys, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Name, such as `role.source`; the same for `[a]` and `[[a]]`.
    pub table: String,
    keys: Vec<(String, Value)>,
}

impl Settings {
    /// All tables of a text, in order. `path` is named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Vec<Self>, ModelError> {
        let mut tables = vec![Self::default()];
        for (number, line) in text.lines().enumerate() {
            let wrong =
                |reason: &str| ModelError::Settings { path: path.into(), line: number + 1, reason: reason.into() };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.trim_matches(|c| c == '[' || c == ']').trim().to_owned();
                tables.push(Self { table: name, keys: Vec::new() });
                continue;
            }
            let (key, rest) = line.split_once('=').ok_or_else(|| wrong("`key = value` was expected"))?;
            let (value, rest) = value(rest.trim())
                .ok_or_else(|| wrong("a string, a number, true, false or a list of strings was expected"))?;
            if !(rest.trim().is_empty() || rest.trim().starts_with('#')) {
                return Err(wrong("there is something after the value"));
            }
            if let Some(table) = tables.last_mut() {
                table.keys.push((key.trim().trim_matches('"').to_owned(), value));
            }
        }
        Ok(tables)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.keys.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The string of a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number of a key.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether a key is `true`.
    pub fn is(&self, key: &str) -> bool {
        self.get(key) == Some(&Value::Truth(true))
    }

    /// The strings of a key, of a list or a single one.
    pub fn list(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(Value::List(list)) => list.clone(),
            Some(Value::Text(text)) => vec![text.clone()],
            _ => Vec::new(),
        }
    }
}

/// A value at the start of `text`, and what follows it.
fn value(text: &str) -> Option<(Value, &str)> {
    if text.starts_with('"') {
        return string(text).map(|(s, rest)| (Value::Text(s), rest));
    }
    if let Some(mut rest) = text.strip_prefix('[') {
        let mut list = Vec::new();
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            if let Some(rest) = rest.strip_prefix(']') {
                return Some((Value::List(list), rest));
            }
            let (one, after) = string(rest)?;
            list.push(one);
            rest = after;
        }
    }
    let end = text.find(|c: char| c.is_whitespace() || c == '#').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let value = match word {
        "true" => Value::Truth(true),
        "false" => Value::Truth(false),
        number => Value::Number(number.replace('_', "").parse().ok().filter(|n: &f64| n.is_finite())?),
    };
    Some((value, rest))
}

/// A string in quotes at the start of `text`, and what follows it.
fn string(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 2..])),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                c @ ('"' | '\\') => out.push(c),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_strings_lists_numbers_and_truth() {
        let text = "# note\nversion = 1\n[[role]]\nname = \"a \\\"b\\\" # c\" # note\nfiles = [\"x\", \"y\"]\non = true\n\
                    [role.source]\nbytes = 24_799_761\n";
        let tables = Settings::parse(text, Path::new("t")).unwrap();
        assert_eq!(tables.iter().map(|t| t.table.as_str()).collect::<Vec<_>>(), ["", "role", "role.source"]);
        assert_eq!(tables[0].get("version"), Some(&Value::Number(1.0)));
        assert_eq!(tables[1].text("name"), Some("a \"b\" # c"));
        assert_eq!(tables[1].list("files"), ["x", "y"]);
        assert!(tables[1].is("on") && !tables[1].is("off"));
        assert_eq!(tables[2].get("bytes"), Some(&Value::Number(24_799_761.0)));
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line) in [("a = 1\nb", 2), ("a = \"x", 1), ("a = [1]", 1), ("a = yes", 1), ("a = 1 2", 1)] {
            let error = Settings::parse(text, Path::new("notes.toml")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("notes.toml line {line}: ")), "{error}");
        }
    }
}
