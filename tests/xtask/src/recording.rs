//! A recording of the demo's devices, which all its deployments hear, and what they decide on it: the same in whatever
//! turns and partitions it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::{Result, build, packages_folder, run, step, target};

/// Lines for the test command: each device speaks 200 times.
const LINES: u32 = 2_000;
/// The clock runs on for hours, so that holds, silences and schedules come too.
const UNTIL: &str = "2026-03-01T09:00:00Z";
/// Inputs of a turn.
const TURNS: [u32; 3] = [1, 7, 256];
const PARTITIONS: [u32; 2] = [1, 16];

/// Writes an installation and a recording of so many lines into a folder of that name.
pub(crate) fn write(name: &str, lines: u32) -> Result<PathBuf> {
    let folder = target().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("failed to remove {}: {error}", folder.display()))?;
    }
    let mut record = Command::new(build("pointsman-soak")?);
    record.args(["record", "--lines", &lines.to_string()]);
    run(record.arg("--packages").arg(packages_folder()).arg(&folder))?;
    Ok(folder)
}

/// How many decisions a replay made, and their digest.
pub(crate) fn replay(program: &mut Command, folder: &Path, options: &[&str]) -> Result<String> {
    program.arg("replay").arg(folder.join("recording.jsonl")).args(options).args(["--json", "-c"]);
    let output = program.arg(folder.join("pointsman.toml")).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("failed to run {program:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program:?} ended with {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("\"{name}\":"))?;
        Some(rest.split([',', '}']).next().unwrap_or_default().trim().to_owned())
    };
    match (field("decisions"), field("digest")) {
        (Some(decisions), Some(digest)) if decisions != "0" => Ok(format!("{decisions} decisions, {digest}")),
        _ => Err(format!("a replay without decisions compares nothing: {text}")),
    }
}

/// Replays a recording through all deployments of the demo in turns of one line and of many, with one partition and with
/// as many as an installation has.
pub(crate) fn agree(program: &Path) -> Result {
    step("replay a recording in other turns and partitions");
    let folder = write("recording", LINES)?;
    let way = |partitions: u32, turn: u32| {
        let (partitions, turn) = (partitions.to_string(), turn.to_string());
        let options = ["--until", UNTIL, "--partitions", &partitions, "--turn", &turn];
        let found = replay(&mut Command::new(program), &folder, &options)?;
        eprintln!("{partitions:>2} partitions, {turn:>3} lines a turn: {found}");
        Ok(found)
    };
    // Those of one size of turn side by side: both cores have something to do.
    let found: Result<Vec<String>> = TURNS.iter().try_fold(Vec::new(), |mut found, turn| {
        let both: Vec<Result<String>> = thread::scope(|scope| {
            let running = PARTITIONS.map(|partitions| scope.spawn(move || way(partitions, *turn)));
            running.map(|one| one.join().unwrap_or_else(|_| Err("a replay panicked".to_owned()))).into()
        });
        for one in both {
            found.push(one?);
        }
        Ok(found)
    });
    let found = found?;
    if found.windows(2).all(|pair| pair[0] == pair[1]) {
        Ok(())
    } else {
        Err("the decisions depend on turns or partitions".to_owned())
    }
}
