//! The probe for the recording of a room with people in it.

use acceptance_probe::Probe;

pointsman_sdk::rule!(Probe);
