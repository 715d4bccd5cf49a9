//! `loop`: no chain of causes may grow without end.

use model::limits;

use super::Answer;

/// `depth` is that of the effect itself; `caused` counts the effects that the same outside event has caused before it.
pub(crate) fn check(depth: u8, caused: u32) -> Answer {
    if depth > limits::CAUSAL_DEPTH {
        return Err("too-deep");
    }
    if caused >= limits::EFFECTS_PER_ROOT {
        return Err("too-many-effects");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_may_reach_its_limit_and_not_pass_it() {
        assert_eq!(check(limits::CAUSAL_DEPTH, 0), Ok(()));
        assert_eq!(check(limits::CAUSAL_DEPTH + 1, 0), Err("too-deep"));
        assert_eq!(check(0, limits::EFFECTS_PER_ROOT - 1), Ok(()));
        assert_eq!(check(0, limits::EFFECTS_PER_ROOT), Err("too-many-effects"));
    }
}
