//! Which keys hold: the table of shortcuts, changed by `keys.json` in the user's configuration folder.

use super::shortcuts::{Action, Mode, Row, TABLE, fits, key_text, mode_of};
use eframe::egui::{Key, Modifiers};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::path::Path;

/// Name of the file.
pub(super) const FILE: &str = "keys.json";

/// The keys that hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Keymap {
    rows: Vec<Row>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self { rows: TABLE.to_vec() }
    }
}

thread_local! {
    /// Those of the window: all of it is drawn on one thread, and tooltips have no way to be handed them.
    static IN_FORCE: RefCell<Keymap> = RefCell::default();
}

/// Asks the keys that hold now.
pub(super) fn with<T>(ask: impl FnOnce(&Keymap) -> T) -> T {
    IN_FORCE.with_borrow(ask)
}

/// Lets other keys hold from now on.
pub(super) fn put_in_force(keys: Keymap) {
    IN_FORCE.set(keys);
}

impl Keymap {
    /// Action, modifiers, key, what it does.
    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Reads the file; the default keys where there is none. What is wrong with it is told in sentences, and the
    /// actions that they are about keep their default keys.
    pub(super) fn read(path: &Path) -> (Self, Vec<String>) {
        let at = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Default::default(),
            Err(e) => return (Self::default(), vec![format!("{at} cannot be read: {e}; the default keys hold")]),
        };
        match serde_json::from_str::<Map<String, Value>>(&text) {
            Ok(wishes) => {
                let (keys, wrong) = Self::of(&wishes);
                (keys, wrong.into_iter().map(|w| format!("{at}: {w}")).collect())
            }
            Err(e) => (Self::default(), vec![format!("{at} is not a JSON object: {e}; the default keys hold")]),
        }
    }

    /// The default keys, changed by `{"accept": ["A", "Ctrl+Enter"]}`, and what is wrong with that.
    fn of(wishes: &Map<String, Value>) -> (Self, Vec<String>) {
        let (mut changed, mut wrong) = (Vec::new(), Vec::new());
        for (name, wish) in wishes {
            match parse_wish(name, wish) {
                Ok(change) => changed.push(change),
                Err(reason) => wrong.push(reason),
            }
        }
        loop {
            let keys = Self::changed_by(&changed);
            let Some((a, b)) = keys.conflict() else { return (keys, wrong) };
            // One of the two was changed: the table has no conflicts.
            changed.retain(|c| c.0 != a.0 && c.0 != b.0);
            let (key, a, b) = (key_text(a.1, a.2), name(a.0), name(b.0));
            wrong.push(format!("{key} would do two things, {a} and {b}; what was changed of them keeps its default"));
        }
    }

    fn changed_by(changed: &[(Action, Vec<(Modifiers, Key)>)]) -> Self {
        let mut rows: Vec<Row> = TABLE.iter().filter(|t| changed.iter().all(|c| c.0 != t.0)).copied().collect();
        for (action, keys) in changed {
            if let Some(row) = TABLE.iter().find(|t| t.0 == *action) {
                rows.extend(keys.iter().map(|(modifiers, key)| {
                    let mut row = *row;
                    (row.1, row.2) = (*modifiers, *key);
                    row
                }));
            }
        }
        Self { rows }
    }

    /// The first two rows that the same key would mean.
    pub(super) fn conflict(&self) -> Option<(Row, Row)> {
        self.rows.iter().enumerate().find_map(|(i, b)| {
            let key = |a: &Row| a.2 == b.2 && (fits(a.2, a.1, b.1) || fits(a.2, b.1, a.1));
            let same = |a: &&Row| a.0 != b.0 && key(a) && meet(mode_of(a.0), mode_of(b.0));
            self.rows.iter().take(i).find(same).map(|a| (*a, *b))
        })
    }

    /// The file that says these keys, by name.
    pub(super) fn to_json(&self) -> String {
        let mut all = Map::new();
        for (action, modifiers, key, ..) in &self.rows {
            let own = all.entry(name(*action)).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(own) = own {
                own.push(key_text(*modifiers, *key).into());
            }
        }
        let text = serde_json::to_string_pretty(&Value::Object(all)).unwrap_or_default();
        text + "\n"
    }
}

/// Whether two actions can be meant at the same time.
fn meet(a: Option<Mode>, b: Option<Mode>) -> bool {
    a.is_none() || b.is_none() || a == b
}

/// The name of an action in the file: "next_frame", and with what it is about, "reject_as_box".
pub(super) fn name(action: Action) -> String {
    match serde_json::to_value(action) {
        Ok(Value::String(name)) => name,
        Ok(Value::Object(parts)) => {
            let words = parts.iter().map(|(k, v)| format!("{k}_{}", v.as_str().unwrap_or_default()));
            words.collect::<Vec<_>>().join("_")
        }
        _ => String::new(),
    }
}

fn parse_wish(name: &str, wish: &Value) -> Result<(Action, Vec<(Modifiers, Key)>), String> {
    let action = TABLE.iter().map(|t| t.0).find(|a| self::name(*a) == name);
    let action = action.ok_or_else(|| format!("there is no action \"{name}\""))?;
    let unlisted =
        || format!("the keys of {name} are not a list such as [\"A\", \"Ctrl+Enter\"]; it keeps its default");
    let all = wish.as_array().ok_or_else(unlisted)?;
    let keys = all.iter().map(|key| {
        let text = key.as_str().ok_or_else(unlisted)?;
        parse(text).ok_or_else(|| format!("\"{text}\" of {name} is not a key; {name} keeps its default"))
    });
    Ok((action, keys.collect::<Result<_, _>>()?))
}

/// "Ctrl+Shift+Z" as modifiers and key.
fn parse(text: &str) -> Option<(Modifiers, Key)> {
    let text = text.trim();
    // The plus sign is a key too.
    let (held, key) = match text.strip_suffix('+') {
        Some(rest) => (rest.strip_suffix('+').unwrap_or(rest), "+"),
        None => text.rsplit_once('+').unwrap_or(("", text)),
    };
    let mut modifiers = Modifiers::NONE;
    for part in held.split('+').map(str::trim).filter(|p| !p.is_empty()) {
        match part.to_ascii_lowercase().as_str() {
            "ctrl" | "cmd" => modifiers.command = true,
            "shift" => modifiers.shift = true,
            "alt" => modifiers.alt = true,
            _ => return None,
        }
    }
    let key = key.trim();
    let by_name = || Key::ALL.iter().copied().find(|k| k.name().eq_ignore_ascii_case(key));
    let found = Key::from_name(key).or_else(by_name);
    found.map(|key| (modifiers, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(wishes: Value) -> (Keymap, Vec<String>) {
        Keymap::of(wishes.as_object().unwrap())
    }

    fn keys(map: &Keymap, action: Action) -> Vec<String> {
        map.rows().iter().filter(|r| r.0 == action).map(|r| key_text(r.1, r.2).replace("Cmd", "Ctrl")).collect()
    }

    #[test]
    fn every_action_has_a_name_and_a_row_and_comes_back_from_the_file() {
        let map = Keymap::default();
        let (again, wrong) = of(serde_json::from_str(&map.to_json()).unwrap());
        assert_eq!(wrong, Vec::<String>::new());
        for (action, ..) in TABLE {
            assert_eq!(keys(&again, *action), keys(&map, *action));
            let name = name(*action);
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !name.is_empty(), "{name}");
        }
        assert_eq!(name(Action::NextFrame), "next_frame");
    }

    #[test]
    fn changes_keys() {
        let (map, wrong) = of(json!({"accept": ["space", "ctrl+j"], "measure": [], "scale_up": ["Ctrl++"]}));
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(keys(&map, Action::Accept), ["Space", "Ctrl+J"]);
        assert_eq!(keys(&map, Action::Measure), Vec::<String>::new());
        assert_eq!(keys(&map, Action::ScaleUp), ["Ctrl++"]);
        assert_eq!(keys(&map, Action::Reject), ["R"]);
        let (swapped, wrong) = of(json!({"accept": ["R"], "reject": ["A"]}));
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(keys(&swapped, Action::Reject), ["A"]);
    }

    #[test]
    fn what_is_wrong_is_told_and_the_default_holds() {
        let (map, wrong) =
            of(json!({"acept": ["A"], "reject": ["Hyper+R"], "focus": "F", "undo": ["Ctrl+Y"], "next": ["N1"]}));
        assert_eq!(wrong.len(), 5, "{wrong:?}");
        assert!(wrong.iter().any(|w| w.contains("acept")) && wrong.iter().any(|w| w.contains("Hyper+R")));
        assert_eq!(map, Keymap::default());
        // Accept takes R, whose own change is broken and keeps R: accept goes back too.
        let (map, wrong) = of(json!({"accept": ["R"], "reject": ["nothing"]}));
        assert_eq!((map, wrong.len()), (Keymap::default(), 2));
        // A sign is typed with Shift on some keyboards: with and without it is one key.
        let (map, wrong) = of(json!({"focus": ["Shift+/"]}));
        assert_eq!((map, wrong.len()), (Keymap::default(), 1));
    }

    #[test]
    fn reads_a_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE);
        assert_eq!(Keymap::read(&path), (Keymap::default(), vec![]));
        std::fs::write(&path, "{ torn").unwrap();
        let (map, wrong) = Keymap::read(&path);
        assert!(map == Keymap::default() && wrong.len() == 1 && wrong[0].contains("keys.json"));
        std::fs::write(&path, r#"{"accept": ["Space"]}"#).unwrap();
        assert_eq!(keys(&Keymap::read(&path).0, Action::Accept), ["Space"]);
    }
}
