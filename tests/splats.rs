//! Splats written here, read by other programs: plyfile and gsply (PyPI), SplatTransform and Niantic's library (npm).
//! `tests/run.sh` installs them; a test whose program is missing says so and is skipped. The other direction is tested on
//! the files in `tests/splats`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use holoscope::scene::Gaussians;
use holoscope::splat::{self, SplatFormat};
use std::path::{Path, PathBuf};
use std::process::Command;

const FORMATS: [SplatFormat; 4] = [SplatFormat::Ply, SplatFormat::CompressedPly, SplatFormat::Spz3, SplatFormat::Spz4];

/// Gaussians of chance: more than a chunk of the compressed PLY.
fn chance(antialiased: bool) -> Gaussians {
    let mut rng = fastrand::Rng::with_seed(11);
    let mut three = |scale: f32, shift: f32| [(); 3].map(|()| (rng.f32() * 2.0 - 1.0) * scale + shift);
    let n = 600;
    let quat = |[x, y, z]: [f32; 3]| {
        let length = (1.0 + x * x + y * y + z * z).sqrt();
        [1.0, x, y, z].map(|v| v / length)
    };
    Gaussians {
        means: (0..n).map(|_| three(3.0, 0.5)).collect(),
        log_scales: (0..n).map(|_| three(1.0, -4.0)).collect(),
        quats: (0..n).map(|_| quat(three(2.0, 0.0))).collect(),
        opacity_logits: (0..n).map(|_| three(2.0, 0.5)[0]).collect(),
        sh_degree: 3,
        sh: (0..16 * n).map(|_| three(0.4, 0.0)).collect(),
        antialiased,
    }
}

fn has(command: &mut Command) -> bool {
    command.output().is_ok_and(|o| o.status.success())
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Both programs decode the same bytes, so what they find differs by rounding only; `rotation` where a format keeps three
/// of four components.
fn same(ours: &Gaussians, theirs: &Gaussians, what: &str) {
    assert_eq!((ours.len(), ours.sh_degree), (theirs.len(), theirs.sh_degree), "{what}");
    let near = |a: &[[f32; 3]], b: &[[f32; 3]]| {
        a.as_flattened().iter().zip(b.as_flattened()).map(|(p, q)| (p - q).abs()).fold(0.0, f32::max)
    };
    assert!(near(&ours.means, &theirs.means) < 1e-5, "{what}: means");
    assert!(near(&ours.log_scales, &theirs.log_scales) < 1e-5, "{what}: scales");
    assert!(near(&ours.sh, &theirs.sh) < 2e-5, "{what}: SH");
    let logits = ours.opacity_logits.iter().zip(&theirs.opacity_logits).map(|(p, q)| (p - q).abs());
    assert!(logits.fold(0.0, f32::max) < 1e-3, "{what}: opacities");
    for (p, q) in ours.quats.iter().zip(&theirs.quats) {
        let dot = p.iter().zip(q).map(|(a, b)| a * b).sum::<f32>();
        assert!((dot.abs() - 1.0).abs() < 1e-4, "{what}: {p:?} {q:?}");
    }
}

/// Writes in every format, has `convert` make a 3DGS PLY of each, and compares that with what is read here.
fn compare(formats: &[SplatFormat], convert: impl Fn(&Path, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    for format in formats {
        let (ours, theirs) = (dir.path().join(format.file_name()), dir.path().join("theirs.ply"));
        splat::write(&ours, &chance(false), *format, &[]).unwrap();
        convert(&ours, &theirs);
        same(&splat::read(&ours).unwrap(), &splat::read_ply(&theirs).unwrap(), &format!("{format:?}"));
        std::fs::remove_file(&theirs).unwrap();
    }
}

#[test]
fn plyfile_reads_the_ply() {
    if !has(Command::new("python3").args(["-c", "import plyfile"])) {
        println!("skipped: python3 cannot import plyfile");
        return;
    }
    let script = "import sys\nfrom plyfile import PlyData\np = PlyData.read(sys.argv[1])\n\
        assert 'Vertical axis: z' in p.comments and 'SplatRenderMode: default' in p.comments, p.comments\n\
        assert [e.name for e in p.elements] == ['vertex'] and p['vertex'].count == 600\np.write(sys.argv[2])";
    compare(&[SplatFormat::Ply], |a, b| run(Command::new("python3").args(["-c", script]).args([a, b])));
}

#[test]
fn gsply_reads_every_format() {
    if !has(Command::new("python3").args(["-c", "import gsply, zstandard"])) {
        println!("skipped: python3 cannot import gsply and zstandard");
        return;
    }
    let script = "import sys, gsply\na, b = sys.argv[1:]\n\
        gsply.plywrite(b, gsply.read_spz(a) if a.endswith('spz') else gsply.plyread(a))";
    compare(&FORMATS, |a, b| run(Command::new("python3").args(["-c", script]).args([a, b])));
}

/// A file of a package from npm.
fn npm(path: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(".peers/node_modules").join(path);
    let there = file.is_file() && has(Command::new("node").arg("--version"));
    if !there {
        println!("skipped: node or {} is missing", file.display());
    }
    there.then_some(file)
}

#[test]
fn splat_transform_reads_every_format() {
    let Some(cli) = npm("@playcanvas/splat-transform/bin/cli.mjs") else { return };
    compare(&FORMATS, |a, b| run(Command::new("node").arg(&cli).arg("--quiet").args([a, b])));
}

#[test]
fn niantics_library_reads_spz() {
    let Some(library) = npm("@adobe/spz/dist/spz.js") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (script, json) = (dir.path().join("unpack.mjs"), dir.path().join("out.json"));
    let text = "import { readFileSync, writeFileSync } from 'node:fs';\n\
        const [, , library, input, out] = process.argv;\n\
        const spz = await (await import(library)).default();\n\
        const c = await spz.loadSpzFromBuffer(readFileSync(input), { to: spz.CoordinateSystem.UNSPECIFIED });\n\
        const f = { antialiased: c.antialiased, degree: c.shDegree };\n\
        for (const k of ['positions', 'scales', 'rotations', 'alphas', 'colors', 'sh']) f[k] = Array.from(c[k]);\n\
        writeFileSync(out, JSON.stringify(f));\n";
    std::fs::write(&script, text).unwrap();
    for (format, antialiased) in [(SplatFormat::Spz3, false), (SplatFormat::Spz4, true)] {
        let ours = dir.path().join(format.file_name());
        splat::write(&ours, &chance(antialiased), format, &[]).unwrap();
        run(Command::new("node").arg(&script).args([&library, &ours, &json]));
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        let list = |name: &str| -> Vec<f32> {
            value[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
        };
        let threes = |name: &str| list(name).chunks(3).map(|c| [c[0], c[1], c[2]]).collect::<Vec<_>>();
        assert_eq!(value["antialiased"], antialiased);
        let rest = threes("sh");
        let sh = threes("colors").iter().zip(rest.chunks(15)).flat_map(|(c, r)| [&[*c], r].concat()).collect();
        let theirs = Gaussians {
            means: threes("positions"),
            log_scales: threes("scales"),
            quats: list("rotations").chunks(4).map(|q| [q[3], q[0], q[1], q[2]]).collect(),
            opacity_logits: list("alphas"),
            sh_degree: value["degree"].as_u64().unwrap() as usize,
            sh,
            antialiased,
        };
        same(&splat::read(&ours).unwrap(), &theirs, &format!("{format:?}"));
    }
}
