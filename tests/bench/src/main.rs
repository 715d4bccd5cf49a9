//! Calls one variant a given number of times and ends, for a tool that counts instructions.
//!
//! The instructions of one call are those of a run with many calls less those of a run with few, by the difference.

use anyhow::{Context as _, bail};
use bench::bare::Bare;
use bench::guest::{self, Answer};
use bench::sandboxed::Caller;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [variant, answer, calls] = &arguments[..] else {
        bail!("usage: pointsman-bench sandboxed|bare|native nothing|timer CALLS");
    };
    let answer = match answer.as_str() {
        "nothing" => Answer::Nothing,
        "timer" => Answer::Timer,
        other => bail!("`{other}` is neither `nothing` nor `timer`"),
    };
    let calls: u32 = calls.parse().with_context(|| format!("`{calls}` is no number of calls"))?;
    let component = guest::component()?;
    let mut call: Box<dyn FnMut() -> usize> = match variant.as_str() {
        "sandboxed" => {
            let mut caller = Caller::sandboxed(&component, answer)?;
            Box::new(move || caller.call())
        }
        "bare" => {
            let mut bare = Bare::new(&component, answer).map_err(|error| anyhow::anyhow!("{error:#}"))?;
            Box::new(move || bare.call())
        }
        "native" => {
            let mut caller = Caller::native(answer)?;
            Box::new(move || caller.call())
        }
        other => bail!("`{other}` is none of `sandboxed`, `bare` and `native`"),
    };
    let effects: usize = (0..calls).map(|_| call()).sum();
    println!("{effects} effects");
    Ok(())
}
