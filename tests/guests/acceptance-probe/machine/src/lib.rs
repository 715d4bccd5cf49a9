//! The probe for the recording of an industrial machine.

use acceptance_probe::Probe;

pointsman_sdk::rule!(Probe);
