//! The probe for the recording of the air of a bathroom.

use acceptance_probe::Probe;

pointsman_sdk::rule!(Probe);
