//! A subset of UCUM: the units that device payloads and rules use, and how they convert.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A unit by its UCUM code, from a fixed table.
///
/// Two units convert into each other when they share a dimension. Source of the codes: the Unified Code for Units of
/// Measure, case-sensitive form; of the factors: the SI brochure, 9th edition, and its appendix for non-SI units.
#[derive(Clone, Copy)]
pub struct Unit(&'static Row);

/// base = value × factor + offset
struct Row {
    code: &'static str,
    symbol: &'static str,
    dimension: Dimension,
    factor: f64,
    offset: f64,
}

/// What a unit measures. Units of one dimension convert into each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    Acceleration,
    Angle,
    Concentration,
    Conductivity,
    Current,
    Data,
    Energy,
    Flow,
    Fraction,
    Frequency,
    Illuminance,
    Length,
    Level,
    Mass,
    MassConcentration,
    Power,
    Pressure,
    Rate,
    Resistance,
    Speed,
    Temperature,
    Time,
    Voltage,
    Volume,
}

/// A number with its unit, or a bare number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    pub number: f64,
    pub unit: Option<Unit>,
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UnitError {
    #[error("unknown unit `{code}`{}", nearest.map(|n| format!(": did you mean `{n}`?")).unwrap_or_default())]
    Unknown { code: String, nearest: Option<&'static str> },
    #[error("cannot convert {from} to {to}: one measures {from_dimension:?}, the other {to_dimension:?}")]
    Incompatible { from: &'static str, to: &'static str, from_dimension: Dimension, to_dimension: Dimension },
    #[error("`{0}` is not a quantity: expected a number with a UCUM code, such as 8 Cel or 1.5 kW")]
    Quantity(String),
}

const fn row(code: &'static str, symbol: &'static str, dimension: Dimension, factor: f64, offset: f64) -> Row {
    Row { code, symbol, dimension, factor, offset }
}

use Dimension as D;
static TABLE: &[Row] = &[
    row("Cel", "°C", D::Temperature, 1.0, 273.15),
    row("K", "K", D::Temperature, 1.0, 0.0),
    row("[degF]", "°F", D::Temperature, 5.0 / 9.0, 459.67 * 5.0 / 9.0),
    row("%", "%", D::Fraction, 0.01, 0.0),
    row("1", "", D::Fraction, 1.0, 0.0),
    row("[ppth]", "‰", D::Fraction, 1e-3, 0.0),
    row("[ppm]", "ppm", D::Concentration, 1e-6, 0.0),
    row("[ppb]", "ppb", D::Concentration, 1e-9, 0.0),
    row("ug/m3", "µg/m³", D::MassConcentration, 1e-6, 0.0),
    row("mg/m3", "mg/m³", D::MassConcentration, 1e-3, 0.0),
    row("g/m3", "g/m³", D::MassConcentration, 1.0, 0.0),
    row("Pa", "Pa", D::Pressure, 1.0, 0.0),
    row("hPa", "hPa", D::Pressure, 100.0, 0.0),
    row("kPa", "kPa", D::Pressure, 1e3, 0.0),
    row("bar", "bar", D::Pressure, 1e5, 0.0),
    row("mbar", "mbar", D::Pressure, 100.0, 0.0),
    row("[psi]", "psi", D::Pressure, 6_894.757_293_168, 0.0),
    row("lx", "lx", D::Illuminance, 1.0, 0.0),
    row("klx", "klx", D::Illuminance, 1e3, 0.0),
    row("W", "W", D::Power, 1.0, 0.0),
    row("mW", "mW", D::Power, 1e-3, 0.0),
    row("kW", "kW", D::Power, 1e3, 0.0),
    row("MW", "MW", D::Power, 1e6, 0.0),
    row("J", "J", D::Energy, 1.0, 0.0),
    row("kJ", "kJ", D::Energy, 1e3, 0.0),
    row("W.h", "Wh", D::Energy, 3.6e3, 0.0),
    row("kW.h", "kWh", D::Energy, 3.6e6, 0.0),
    row("MW.h", "MWh", D::Energy, 3.6e9, 0.0),
    row("V", "V", D::Voltage, 1.0, 0.0),
    row("mV", "mV", D::Voltage, 1e-3, 0.0),
    row("kV", "kV", D::Voltage, 1e3, 0.0),
    row("A", "A", D::Current, 1.0, 0.0),
    row("mA", "mA", D::Current, 1e-3, 0.0),
    row("Ohm", "Ω", D::Resistance, 1.0, 0.0),
    row("kOhm", "kΩ", D::Resistance, 1e3, 0.0),
    row("uS/cm", "µS/cm", D::Conductivity, 1e-4, 0.0),
    row("mS/cm", "mS/cm", D::Conductivity, 0.1, 0.0),
    row("Hz", "Hz", D::Frequency, 1.0, 0.0),
    row("kHz", "kHz", D::Frequency, 1e3, 0.0),
    row("/min", "/min", D::Rate, 1.0, 0.0),
    row("{beats}/min", "bpm", D::Rate, 1.0, 0.0),
    row("{rpm}", "rpm", D::Rate, 1.0, 0.0),
    row("/h", "/h", D::Rate, 1.0 / 60.0, 0.0),
    row("m", "m", D::Length, 1.0, 0.0),
    row("mm", "mm", D::Length, 1e-3, 0.0),
    row("cm", "cm", D::Length, 1e-2, 0.0),
    row("km", "km", D::Length, 1e3, 0.0),
    row("[in_i]", "in", D::Length, 0.0254, 0.0),
    row("[ft_i]", "ft", D::Length, 0.3048, 0.0),
    row("[mi_i]", "mi", D::Length, 1_609.344, 0.0),
    row("m/s", "m/s", D::Speed, 1.0, 0.0),
    row("km/h", "km/h", D::Speed, 1.0 / 3.6, 0.0),
    row("mm/s", "mm/s", D::Speed, 1e-3, 0.0),
    row("[mi_i]/h", "mph", D::Speed, 0.44704, 0.0),
    row("[kn_i]", "kn", D::Speed, 1_852.0 / 3_600.0, 0.0),
    row("m/s2", "m/s²", D::Acceleration, 1.0, 0.0),
    row("[g]", "g", D::Acceleration, 9.80665, 0.0),
    row("deg", "°", D::Angle, 1.0, 0.0),
    row("rad", "rad", D::Angle, 180.0 / std::f64::consts::PI, 0.0),
    row("L", "L", D::Volume, 1e-3, 0.0),
    row("mL", "mL", D::Volume, 1e-6, 0.0),
    row("m3", "m³", D::Volume, 1.0, 0.0),
    row("L/min", "L/min", D::Flow, 1e-3 / 60.0, 0.0),
    row("L/h", "L/h", D::Flow, 1e-3 / 3_600.0, 0.0),
    row("m3/h", "m³/h", D::Flow, 1.0 / 3_600.0, 0.0),
    row("g", "g", D::Mass, 1e-3, 0.0),
    row("kg", "kg", D::Mass, 1.0, 0.0),
    row("[lb_av]", "lb", D::Mass, 0.453_592_37, 0.0),
    row("t", "t", D::Mass, 1e3, 0.0),
    row("ms", "ms", D::Time, 1e-3, 0.0),
    row("s", "s", D::Time, 1.0, 0.0),
    row("min", "min", D::Time, 60.0, 0.0),
    row("h", "h", D::Time, 3_600.0, 0.0),
    row("d", "d", D::Time, 86_400.0, 0.0),
    row("dB", "dB", D::Level, 1.0, 0.0),
    row("dB[SPL]", "dB", D::Level, 1.0, 0.0),
    row("dB[mW]", "dBm", D::Level, 1.0, 0.0),
    row("By", "B", D::Data, 1.0, 0.0),
    row("kBy", "kB", D::Data, 1e3, 0.0),
];

impl Unit {
    /// The unit with this UCUM code.
    ///
    /// # Errors
    /// [`UnitError::Unknown`] with the code that differs least, ignoring case.
    pub fn named(code: &str) -> Result<Self, UnitError> {
        match TABLE.iter().find(|row| row.code == code) {
            Some(row) => Ok(Self(row)),
            None => {
                let alias = TABLE.iter().find(|row| {
                    row.code.eq_ignore_ascii_case(code)
                        || row.symbol == code
                        || row.code.trim_matches(['[', ']']).eq_ignore_ascii_case(code)
                });
                Err(UnitError::Unknown { code: code.to_owned(), nearest: alias.map(|row| row.code) })
            }
        }
    }

    /// Every unit of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(Self)
    }

    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code
    }

    /// The sign that people read, such as °C.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        self.0.symbol
    }

    #[must_use]
    pub fn dimension(self) -> Dimension {
        self.0.dimension
    }

    /// `number` of this unit in `to`. Exact when the units are the same.
    ///
    /// # Errors
    /// [`UnitError::Incompatible`] when they measure different things.
    pub fn convert(self, number: f64, to: Self) -> Result<f64, UnitError> {
        self.check(to)?;
        if self == to {
            return Ok(number);
        }
        Ok((number * self.0.factor + self.0.offset - to.0.offset) / to.0.factor)
    }

    /// A difference of `number` of this unit in `to`: converted without offset, as a deadband is.
    ///
    /// # Errors
    /// [`UnitError::Incompatible`] when they measure different things.
    pub fn convert_difference(self, number: f64, to: Self) -> Result<f64, UnitError> {
        self.check(to)?;
        Ok(if self == to { number } else { number * self.0.factor / to.0.factor })
    }

    fn check(self, to: Self) -> Result<(), UnitError> {
        if self.0.dimension == to.0.dimension {
            return Ok(());
        }
        Err(UnitError::Incompatible {
            from: self.0.code,
            to: to.0.code,
            from_dimension: self.0.dimension,
            to_dimension: to.0.dimension,
        })
    }
}

impl PartialEq for Unit {
    fn eq(&self, other: &Self) -> bool {
        self.0.code == other.0.code
    }
}
impl Eq for Unit {}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code)
    }
}

impl Serialize for Unit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.code)
    }
}

impl<'de> Deserialize<'de> for Unit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::named(&Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl FromStr for Quantity {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError::Quantity(text.to_owned());
        let (number, unit) = match text.trim().split_once(' ') {
            Some((number, unit)) => (number, Some(Unit::named(unit.trim())?)),
            None => (text.trim(), None),
        };
        let number = number.parse::<f64>().map_err(|_| bad())?;
        if number.is_finite() { Ok(Self { number, unit }) } else { Err(bad()) }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Some(unit) => write!(f, "{} {}", self.number, unit.code()),
            None => write!(f, "{}", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(number: f64, from: &str, to: &str) -> f64 {
        let from = Unit::named(from).expect("a unit");
        from.convert(number, Unit::named(to).expect("a unit")).expect("the same dimension")
    }

    #[test]
    fn values_convert_with_offset_and_differences_without() {
        assert!((convert(46.9, "[degF]", "Cel") - 8.277_777_777_777_78).abs() < 1e-9);
        assert!((convert(0.0, "Cel", "K") - 273.15).abs() < 1e-12);
        assert!((convert(36.0, "km/h", "m/s") - 10.0).abs() < 1e-12);
        let fahrenheit = Unit::named("[degF]").expect("a unit");
        let celsius = Unit::named("Cel").expect("a unit");
        assert!((fahrenheit.convert_difference(1.8, celsius).expect("same") - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_same_unit_converts_exactly() {
        for unit in Unit::all() {
            assert_eq!(unit.convert(0.1, unit), Ok(0.1), "{unit}");
        }
    }

    #[test]
    fn an_unknown_unit_names_the_nearest() {
        assert_eq!(
            Unit::named("cel").map_err(|e| e.to_string()),
            Err("unknown unit `cel`: did you mean `Cel`?".into())
        );
        assert_eq!(
            "8 °C".parse::<Quantity>().map_err(|e| e.to_string()),
            Err("unknown unit `°C`: did you mean `Cel`?".into())
        );
        assert!("warm".parse::<Quantity>().is_err());
        assert!("NaN Cel".parse::<Quantity>().is_err());
    }

    #[test]
    fn things_that_measure_differently_do_not_convert() {
        let watts = Unit::named("W").expect("a unit");
        assert!(watts.convert(1.0, Unit::named("Cel").expect("a unit")).is_err());
    }
}
