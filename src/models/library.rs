//! Where ONNX Runtime's library may lie, and whether a file is one that can be loaded: the system's loader ends the
//! process when a library is cut off, so that headers are checked first.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Environment variables that name the library, or a folder that has it. The first is ours, the second that of `ort`.
const VARIABLES: [&str; 2] = ["HOLOSCOPE_ONNXRUNTIME", "ORT_DYLIB_PATH"];

/// Where a library may be.
pub(super) struct Places {
    /// The one that the user named, with the name of the variable: it is this one or none.
    pub(super) named: Option<(&'static str, PathBuf)>,
    /// Files that are there, best first.
    pub(super) found: Vec<PathBuf>,
}

/// Looks in the environment, beside the program, in the models folder, in the usual folders of the system, and in
/// Python's packages.
pub(super) fn places(models: Option<&Path>) -> Places {
    let named = VARIABLES.iter().find_map(|name| {
        let value = std::env::var_os(name).filter(|v| !v.is_empty())?;
        let path = PathBuf::from(value);
        Some((*name, if path.is_dir() { in_folder(&path).into_iter().next().unwrap_or(path) } else { path }))
    });
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Some(own) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        folders.extend([own.to_owned(), own.join("lib"), own.join("../lib")]);
    }
    folders.extend(models.map(Path::to_owned));
    if cfg!(unix) {
        let usual = [
            "/usr/local/lib",
            "/usr/lib",
            "/usr/lib64",
            "/usr/lib/x86_64-linux-gnu",
            "/usr/lib/aarch64-linux-gnu",
            "/opt/homebrew/lib",
            "/opt/onnxruntime/lib",
        ];
        folders.extend(usual.map(PathBuf::from));
    }
    folders.extend(python_packages());
    let found = if named.is_some() { Vec::new() } else { folders.iter().flat_map(|f| in_folder(f)).collect() };
    Places { named, found }
}

/// `onnxruntime/capi` of the Python installations that are cheap to find.
fn python_packages() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(|v| std::env::var_os(v).map(PathBuf::from)).collect();
    let home = directories::BaseDirs::new().map(|d| d.home_dir().to_owned());
    if let Some(home) = home {
        roots.push(home.join(".local"));
        roots.extend(sorted(&home.join(".pyenv/versions")));
    }
    roots.extend(["/usr/local", "/usr"].map(PathBuf::from));
    let mut out = Vec::new();
    for root in roots {
        let versions = sorted(&root.join("lib"))
            .into_iter()
            .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("python3")));
        let windows = root.join("Lib");
        for lib in versions.chain([windows]) {
            out.extend(["site-packages", "dist-packages"].map(|p| lib.join(p).join("onnxruntime/capi")));
        }
    }
    out
}

/// Entries of a folder, newest version (last name) first.
fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().filter_map(|e| e.ok().map(|e| e.path())).collect();
    entries.sort_by(|a, b| b.cmp(a));
    entries
}

/// Files in a folder that are named as the library is.
fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let is_library = |name: &str| match std::env::consts::OS {
        "windows" => name.eq_ignore_ascii_case("onnxruntime.dll"),
        "macos" => name.starts_with("libonnxruntime.") && name.ends_with(".dylib"),
        _ => name.starts_with("libonnxruntime.so"),
    };
    let named = |p: &PathBuf| p.file_name().is_some_and(|n| is_library(&n.to_string_lossy()));
    sorted(folder).into_iter().filter(|p| named(p) && p.is_file()).collect()
}

/// Numbers of a header, little-endian.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn number(&self, at: u64, width: usize) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.0.get(at..at.checked_add(width)?)?;
        Some(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }
}

/// Part of a file that headers are looked for in.
const HEADER: u64 = 1 << 16;

/// `Err` with the reason where the file is no library of this machine, or is cut off.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let read = || -> std::io::Result<(Vec<u8>, u64)> {
        let mut file = File::open(path)?;
        let size = file.seek(SeekFrom::End(0))?;
        file.rewind()?;
        let mut bytes = Vec::new();
        file.take(HEADER).read_to_end(&mut bytes)?;
        Ok((bytes, size))
    };
    let (bytes, size) = read().map_err(|e| e.to_string())?;
    let header = Bytes(&bytes);
    let ends = match (std::env::consts::OS, bytes.get(..4)) {
        ("windows", Some([b'M', b'Z', ..])) => pe_end(&header),
        ("macos", Some([0xcf, 0xfa, 0xed, 0xfe])) => mach_end(&header),
        // Several architectures in one file: the loader reads only the part that is ours.
        ("macos", Some([0xca, 0xfe, 0xba, 0xbe])) => Some(0),
        ("linux" | "android" | "freebsd", Some([0x7f, b'E', b'L', b'F'])) => elf_end(&header)?,
        _ => return Err("it is not a shared library of this system".into()),
    };
    match ends {
        Some(end) if end <= size => Ok(()),
        _ => Err(format!("it is cut off: it has {size} bytes")),
    }
}

/// End of the last segment and of the table of sections of a 64-bit ELF file (System V ABI, "ELF header").
fn elf_end(header: &Bytes) -> Result<Option<u64>, String> {
    let machine = match std::env::consts::ARCH {
        "x86_64" => 62,
        "aarch64" => 183,
        _ => header.number(18, 2).unwrap_or(0),
    };
    if header.number(4, 2) != Some(0x0102) || header.number(18, 2) != Some(machine) {
        return Err(format!("it is not a library for {}", std::env::consts::ARCH));
    }
    let end = || -> Option<u64> {
        let (segments, sections) = (header.number(32, 8)?, header.number(40, 8)?);
        let (segment_size, segment_count) = (header.number(54, 2)?, header.number(56, 2)?);
        let mut end = sections.checked_add(header.number(58, 2)? * header.number(60, 2)?)?;
        for k in 0..segment_count {
            let at = segments.checked_add(k * segment_size)?;
            end = end.max(header.number(at + 8, 8)?.checked_add(header.number(at + 32, 8)?)?);
        }
        Some(end)
    };
    Ok(end())
}

/// End of the last segment of a 64-bit Mach-O file (`LC_SEGMENT_64`, `mach-o/loader.h`).
fn mach_end(header: &Bytes) -> Option<u64> {
    let (mut at, mut end) = (32u64, 0u64);
    for _ in 0..header.number(16, 4)? {
        if header.number(at, 4)? == 0x19 {
            end = end.max(header.number(at + 40, 8)?.checked_add(header.number(at + 48, 8)?)?);
        }
        at = at.checked_add(header.number(at + 4, 4)?)?;
    }
    Some(end)
}

/// End of the last section of a PE file (Microsoft, "PE Format").
fn pe_end(header: &Bytes) -> Option<u64> {
    let pe = header.number(0x3c, 4)?;
    if header.number(pe, 4)? != 0x4550 {
        return None;
    }
    let first = pe + 24 + header.number(pe + 20, 2)?;
    let mut end = 0;
    for k in 0..header.number(pe + 6, 2)? {
        let at = first + 40 * k;
        end = end.max(header.number(at + 20, 4)? + header.number(at + 16, 4)?);
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_library_that_is_cut_off_or_foreign_is_refused_before_it_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        // The test itself is an ELF file, laid out as a library is.
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            check(&path)
        };
        assert_eq!(write("whole.so", &whole), Ok(()));
        for keep in [whole.len() - 1, whole.len() / 2, 5000, 64, 20] {
            assert!(write("cut.so", &whole[..keep]).is_err(), "{keep} bytes");
        }
        let mut foreign = whole.clone();
        foreign[18] = 0x28;
        assert!(write("arm.so", &foreign).unwrap_err().contains(std::env::consts::ARCH));
        assert!(write("text.so", b"INPUT ( libonnxruntime.so.1 )").unwrap_err().contains("not a shared library"));
        assert!(write("empty.so", b"").is_err());
    }
}
