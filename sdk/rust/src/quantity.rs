//! Quantities as types: a number with its unit, read from settings such as `"8 Cel"`.
//!
//! Readings arrive as bare numbers in the canonical unit of their capability; a quantity gives a setting in that unit.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is no quantity of a kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}: expected a number and one of {units}")]
pub struct ParseError {
    text: String,
    what: &'static str,
    units: String,
}

/// A unit of one kind of quantity: base = number × factor + offset.
#[derive(Debug)]
struct Unit {
    code: &'static str,
    symbol: &'static str,
    factor: f64,
    offset: f64,
}

macro_rules! quantities {
    ($($(#[$doc:meta])* $type:ident, $what:literal { $($get:ident / $make:ident = $code:literal $symbol:literal $factor:expr, $offset:expr;)+ })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $type {
            number: f64,
            unit: &'static Unit,
        }

        impl $type {
            const UNITS: &'static [Unit] =
                &[$(Unit { code: $code, symbol: $symbol, factor: $factor, offset: $offset }),+];

            quantities!(@units $type 0; $($get / $make = $code;)+);

            fn named(code: &str) -> Option<&'static Unit> {
                Self::UNITS.iter().find(|unit| unit.code == code)
            }

            /// Exact when the units are the same.
            fn convert(self, to: &'static Unit) -> f64 {
                if std::ptr::eq(self.unit, to) {
                    return self.number;
                }
                (self.number * self.unit.factor + self.unit.offset - to.offset) / to.factor
            }
        }

        impl FromStr for $type {
            type Err = ParseError;
            fn from_str(text: &str) -> Result<Self, ParseError> {
                let parts = text.trim().split_once(' ');
                let parsed = parts.and_then(|(number, code)| {
                    let number = number.parse::<f64>().ok().filter(|number| number.is_finite())?;
                    Some(Self { number, unit: Self::named(code.trim())? })
                });
                parsed.ok_or_else(|| {
                    let units = Self::UNITS.iter().map(|unit| unit.code).collect::<Vec<_>>().join(", ");
                    ParseError { text: text.to_owned(), what: $what, units }
                })
            }
        }

        impl fmt::Display for $type {
            /// With the sign that people read.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.number, self.unit.symbol)
            }
        }

        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.number == other.convert(self.unit)
            }
        }

        impl PartialOrd for $type {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                self.number.partial_cmp(&other.convert(self.unit))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!("{} {}", self.number, self.unit.code))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
    (@units $type:ident $index:expr; $get:ident / $make:ident = $code:literal; $($rest:tt)*) => {
        #[doc = concat!("The number of ", $code, ".")]
        #[must_use]
        pub fn $get(self) -> f64 {
            self.convert(&Self::UNITS[$index])
        }

        #[doc = concat!("A quantity given in ", $code, ".")]
        #[must_use]
        pub const fn $make(number: f64) -> Self {
            Self { number, unit: &Self::UNITS[$index] }
        }

        quantities!(@units $type $index + 1; $($rest)*);
    };
    (@units $type:ident $index:expr;) => {};
}

quantities! {
    /// A temperature, not a difference of two.
    Temperature, "a temperature" {
        celsius / from_celsius = "Cel" "°C" 1.0, 273.15;
        kelvin / from_kelvin = "K" "K" 1.0, 0.0;
        fahrenheit / from_fahrenheit = "[degF]" "°F" 5.0 / 9.0, 459.67 * 5.0 / 9.0;
    }
    Speed, "a speed" {
        kilometres_per_hour / from_kilometres_per_hour = "km/h" "km/h" 1.0 / 3.6, 0.0;
        metres_per_second / from_metres_per_second = "m/s" "m/s" 1.0, 0.0;
        millimetres_per_second / from_millimetres_per_second = "mm/s" "mm/s" 1e-3, 0.0;
        miles_per_hour / from_miles_per_hour = "[mi_i]/h" "mph" 0.44704, 0.0;
        knots / from_knots = "[kn_i]" "kn" 1_852.0 / 3_600.0, 0.0;
    }
    Acceleration, "an acceleration" {
        metres_per_second_squared / from_metres_per_second_squared = "m/s2" "m/s²" 1.0, 0.0;
        standard_gravities / from_standard_gravities = "[g]" "g" 9.80665, 0.0;
    }
    Power, "a power" {
        watts / from_watts = "W" "W" 1.0, 0.0;
        kilowatts / from_kilowatts = "kW" "kW" 1e3, 0.0;
        megawatts / from_megawatts = "MW" "MW" 1e6, 0.0;
    }
    Energy, "an energy" {
        kilowatt_hours / from_kilowatt_hours = "kW.h" "kWh" 3.6e6, 0.0;
        watt_hours / from_watt_hours = "W.h" "Wh" 3.6e3, 0.0;
        joules / from_joules = "J" "J" 1.0, 0.0;
        kilojoules / from_kilojoules = "kJ" "kJ" 1e3, 0.0;
    }
    Voltage, "a voltage" {
        volts / from_volts = "V" "V" 1.0, 0.0;
        millivolts / from_millivolts = "mV" "mV" 1e-3, 0.0;
        kilovolts / from_kilovolts = "kV" "kV" 1e3, 0.0;
    }
    Pressure, "a pressure" {
        hectopascals / from_hectopascals = "hPa" "hPa" 100.0, 0.0;
        pascals / from_pascals = "Pa" "Pa" 1.0, 0.0;
        kilopascals / from_kilopascals = "kPa" "kPa" 1e3, 0.0;
        bars / from_bars = "bar" "bar" 1e5, 0.0;
        psi / from_psi = "[psi]" "psi" 6_894.757_293_168, 0.0;
    }
    Illuminance, "an illuminance" {
        lux / from_lux = "lx" "lx" 1.0, 0.0;
        kilolux / from_kilolux = "klx" "klx" 1e3, 0.0;
    }
    Length, "a length" {
        metres / from_metres = "m" "m" 1.0, 0.0;
        millimetres / from_millimetres = "mm" "mm" 1e-3, 0.0;
        centimetres / from_centimetres = "cm" "cm" 1e-2, 0.0;
        kilometres / from_kilometres = "km" "km" 1e3, 0.0;
        feet / from_feet = "[ft_i]" "ft" 0.3048, 0.0;
        miles / from_miles = "[mi_i]" "mi" 1_609.344, 0.0;
    }
    Volume, "a volume" {
        litres / from_litres = "L" "L" 1e-3, 0.0;
        millilitres / from_millilitres = "mL" "mL" 1e-6, 0.0;
        cubic_metres / from_cubic_metres = "m3" "m³" 1.0, 0.0;
    }
    Flow, "a flow" {
        litres_per_minute / from_litres_per_minute = "L/min" "L/min" 1e-3 / 60.0, 0.0;
        litres_per_hour / from_litres_per_hour = "L/h" "L/h" 1e-3 / 3_600.0, 0.0;
        cubic_metres_per_hour / from_cubic_metres_per_hour = "m3/h" "m³/h" 1.0 / 3_600.0, 0.0;
    }
    /// A part of a whole: humidity, charge, occupancy.
    Share, "a share" {
        percent / from_percent = "%" "%" 0.01, 0.0;
        fraction / from_fraction = "1" "" 1.0, 0.0;
    }
    /// Happenings in a time: heart beats, turns of a shaft.
    Rate, "a rate" {
        beats_per_minute / from_beats_per_minute = "{beats}/min" "bpm" 1.0, 0.0;
        per_minute / from_per_minute = "/min" "/min" 1.0, 0.0;
        turns_per_minute / from_turns_per_minute = "{rpm}" "rpm" 1.0, 0.0;
        per_hour / from_per_hour = "/h" "/h" 1.0 / 60.0, 0.0;
    }
    /// Parts of a gas among all.
    Concentration, "a concentration" {
        ppm / from_ppm = "[ppm]" "ppm" 1e-6, 0.0;
        ppb / from_ppb = "[ppb]" "ppb" 1e-9, 0.0;
    }
    /// Mass of dust or gas in a volume of air.
    MassConcentration, "a mass concentration" {
        micrograms_per_cubic_metre / from_micrograms_per_cubic_metre = "ug/m3" "µg/m³" 1e-6, 0.0;
        milligrams_per_cubic_metre / from_milligrams_per_cubic_metre = "mg/m3" "mg/m³" 1e-3, 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantity_reads_in_any_unit_of_its_kind() {
        let body: Temperature = "98.6 [degF]".parse().expect("a temperature");
        assert!((body.celsius() - 37.0).abs() < 1e-9);
        assert_eq!("8 Cel".parse::<Temperature>().expect("a temperature").celsius(), 8.0);
        assert_eq!("1.5 kW".parse::<Power>().expect("a power").watts(), 1_500.0);
        assert!((Speed::from_kilometres_per_hour(36.0).metres_per_second() - 10.0).abs() < 1e-12);
    }

    #[test]
    fn a_unit_of_another_kind_is_refused_with_those_that_fit() {
        let problem = "8 W".parse::<Temperature>().expect_err("watts are no temperature");
        assert_eq!(problem.to_string(), "`8 W` is not a temperature: expected a number and one of Cel, K, [degF]");
        for bad in ["8", "Cel", "warm Cel", "NaN Cel", "8 cel", ""] {
            assert!(bad.parse::<Temperature>().is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_read_and_write_quantities_as_text() {
        let limit: Temperature = serde_json::from_str("\"8 Cel\"").expect("a temperature");
        assert_eq!(serde_json::to_string(&limit).expect("a text"), "\"8 Cel\"");
        assert_eq!(limit.to_string(), "8 °C");
        assert!(limit < Temperature::from_fahrenheit(50.0));
        assert!(serde_json::from_str::<Temperature>("8").is_err());
    }
}
