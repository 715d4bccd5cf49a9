//! Warming up: how far back a set of deployments looks.

use model::trigger::Kind;
use model::window::Frame;
use model::{Deployment, Span};

/// The longest time for which something that happened can still matter to a trigger or a declared history: a run
/// starts that long before the first decision that counts.
pub fn warm_up<'a>(deployments: impl IntoIterator<Item = &'a Deployment>) -> Span {
    let spans = deployments.into_iter().flat_map(|deployment| {
        let histories = deployment.histories.iter().map(|history| history.window);
        histories.chain(deployment.triggers.iter().map(|trigger| reach(&trigger.kind))).collect::<Vec<_>>()
    });
    spans.max().unwrap_or(Span::ZERO)
}

fn reach(kind: &Kind) -> Span {
    match kind {
        Kind::Held { duration, gap_max, .. } => Span(duration.0.saturating_add(gap_max.0)),
        Kind::Silence { duration } => *duration,
        Kind::Availability { outage_min } => *outage_min,
        Kind::Zone(zone) => zone.dwell,
        Kind::Window(window) => {
            let frame = match &window.frame {
                Frame::Sliding { size, .. } => *size,
                Frame::Session { idle } => *idle,
                Frame::Count { .. } | Frame::State { .. } => Span::ZERO,
            };
            Span(frame.0.saturating_add(window.lateness.0))
        }
        Kind::Reading { .. }
        | Kind::Change { .. }
        | Kind::Threshold { .. }
        | Kind::Schedule(_)
        | Kind::Sun(_)
        | Kind::Message { .. }
        | Kind::Custom { .. } => Span::ZERO,
    }
}
