//! A recording as the stream of a backtest.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Result;
use backtest::{Backtest, Options, Part, Report};
use ingest::DeviceMap;
use ingest::intake::Heard;
use ingest::recorded::{BadLines, Error as RecordingError, FileReader, Kind};
use model::input::{Body, HostEvent, Settled};
use model::{Device, Id, Input, Instant, Name};

use super::past::lost;
use super::{Numbers, Set};
use crate::journal::{Losses, inputs, is_export};
use crate::replay::Error;

/// Runs both sets over a recording. What devices report is read once, by the devices of the new set and those that only
/// the old one has.
///
/// # Errors
/// At the first bad line unless they are skipped; when deployments of a set contradict each other.
pub(crate) fn over_recording(
    (old, new): (&mut Set, &mut Set),
    numbers: &mut Numbers,
    (recording, bad): (&Path, BadLines),
    (to, until): (Option<Instant>, Option<Instant>),
    options: Options,
    progress: &mut dyn FnMut(u64),
) -> Result<Report> {
    let mut map = device_map(old, new);
    let mut taken = HashSet::new();
    let mut unclaimed = 0;
    let mut losses = Losses::default();
    let source = Name::from("recording");
    // An export of a newer program is refused here.
    is_export(recording)?;
    // What is wrong is told where the stream reaches it.
    let silent = match bad {
        BadLines::Stop => BadLines::Stop,
        BadLines::Skip(_) => BadLines::Skip(|_, _| ()),
    };
    let results = results(recording, silent, &map, &source)?;
    let mut run = Backtest::new(old.setup(1), new.setup(1), results, options)?;
    let mut reader = FileReader::open(recording, bad)?;
    let mut clock = Instant::default();
    while let Some(line) = reader.next_line()? {
        let (number, at) = (line.number, line.received());
        losses.note(&line);
        // What follows from the rest is made again.
        if matches!(
            line.kind,
            Kind::Expect(_) | Kind::Timer(_) | Kind::Deployment(_) | Kind::Journal | Kind::Transfer(_)
        ) {
            continue;
        }
        if at < clock {
            return Err(Error::Backwards { line: number, last: clock, at }.into());
        }
        if to.is_some_and(|to| at >= to) {
            break;
        }
        let from = line.source.as_ref().unwrap_or(&source);
        let joined = match (&line.kind, line.heard()) {
            (Kind::Host(HostEvent::Joined(joined)), _) => {
                Some(Device { number: numbers.of_device(&joined.device.id), ..(*joined.device).clone() })
            }
            (_, Some(heard)) if !map.has(from, heard) => {
                new.discovered(heard, numbers).or_else(|| old.discovered(heard, numbers))
            }
            _ => None,
        };
        if let Some(device) = joined {
            for (part, set) in [(Part::Old, &mut *old), (Part::New, &mut *new)] {
                if let Some(setup) = set.joined(&device, 1)? {
                    run.reconfigure(part, setup, Name::from(format!("line:{number}")), at)?;
                }
            }
            map = device_map(old, new);
        }
        if matches!(line.kind, Kind::Host(HostEvent::Joined(_))) {
            continue;
        }
        if at != clock {
            taken.clear();
        }
        let from = line.source.as_ref().unwrap_or(&source);
        if let Some(Heard::Topic(topic)) = line.heard() {
            unclaimed += u64::from(!map.claims(from, topic));
        }
        let exported = line.journal.is_some();
        match inputs(line, &map, &source) {
            Ok(found) => {
                for input in found {
                    // What several partitions took is one input: they took it at one instant.
                    if !exported || taken.insert((input.source.clone(), input.id.clone())) {
                        run.take(input, at);
                    }
                }
            }
            Err(reason) => reader.reject(number, reason)?,
        }
        clock = at;
        if number % 1_024 == 0 {
            progress(reader.bytes_read());
        }
    }
    let end = to.map(|to| Instant(to.0 - 1)).or(until);
    let mut report = run.finish(end);
    report.skipped = reader.skipped();
    report.unclaimed = unclaimed;
    report.unknown.extend(lost(&losses));
    Ok(report)
}

/// The results of sinks that an export holds.
fn results(
    recording: &Path,
    bad: BadLines,
    map: &DeviceMap,
    source: &Name,
) -> Result<backtest::Results, RecordingError> {
    let mut found = HashMap::new();
    let mut reader = FileReader::open(recording, bad)?;
    while let Some(line) = reader.next_line()? {
        // Only an export has any.
        if line.sequence.is_none() && line.journal.is_none() {
            break;
        }
        if matches!(line.kind, Kind::Completion(_))
            && let Ok(settled) = inputs(line, map, source)
        {
            settled.iter().filter_map(place).for_each(|place| *found.entry(place).or_default() += 1);
        }
    }
    Ok(found)
}

/// The effect and sink that an input is the result of.
pub(super) fn place(input: &Input) -> Option<(Id, Name)> {
    let Body::Settled(Settled { effect, sink, outcome, .. }) = &input.body else { return None };
    backtest::is_final(outcome).then(|| (*effect, sink.clone()))
}

fn device_map(old: &Set, new: &Set) -> DeviceMap {
    let of_new = new.devices().iter().map(|device| (**device).clone());
    let only_old = old.devices().iter().filter(|device| new.devices().get(device.number).is_none());
    let all: Vec<Device> = of_new.chain(only_old.map(|device| (**device).clone())).collect();
    let mut filters = old.filters();
    filters.extend(new.filters());
    DeviceMap::new(model::device::Devices::new(all), filters)
}
