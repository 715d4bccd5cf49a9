//! From the files of the recordings to readings. Stamps without a zone are UTC; rows keep the order of their file; a
//! row that is not understood is an error, never left out.

use anyhow::{Context as _, Result, bail, ensure};
use model::Instant;
use serde_json::{Map, Value, json};

/// One report of the device.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Empty where the file has one device.
    pub(crate) device: String,
    pub(crate) at: Instant,
    /// By capability, in its canonical unit.
    pub(crate) readings: Map<String, Value>,
}

/// A temperature logger's text export. After the line `Data:` and a row of titles stand rows that begin with a tab:
/// `YYYY-MM-DD HH:MM`, degrees Celsius, and an `x` where the value is out of limits, separated by tabs. Unindented
/// lines with its certificate follow.
pub(crate) fn logger(text: &str) -> Result<Vec<Line>> {
    let mut rows = numbered(text).skip_while(|(_, row)| *row != "Data:").skip(1);
    let (_, titles) = rows.next().context("there is no line `Data:` with titles after it")?;
    ensure!(titles.starts_with("\tyyyy-MM-dd hh:mm\tT"), "unknown titles `{titles}`");
    rows.take_while(|(_, row)| row.starts_with('\t'))
        .map(|(number, row)| {
            let mut fields = row.split('\t').skip(1);
            let (stamp, value) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            let at = stamp.replacen(' ', "T", 1) + ":00Z";
            line(number, &at, [("temperature", self::number(value))])
        })
        .collect()
}

/// Unix seconds and per cent of relative humidity, separated by a tab; no titles.
pub(crate) fn humidity(text: &str) -> Result<Vec<Line>> {
    numbered(text)
        .map(|(number, row)| {
            let (seconds, value) = row.split_once('\t').with_context(|| format!("line {number}: no tab"))?;
            let seconds: i64 = seconds.parse().with_context(|| format!("line {number}: `{seconds}`"))?;
            line(number, &Instant(seconds * 1_000_000).to_string(), [("humidity", self::number(value))])
        })
        .collect()
}

/// `timestamp,value` with titles; a stamp is `YYYY-MM-DD HH:MM:SS`, the value has no stated unit.
pub(crate) fn machine(text: &str) -> Result<Vec<Line>> {
    let mut rows = numbered(text);
    titles(rows.next(), "timestamp,value")?;
    rows.map(|(number, row)| {
        let (stamp, value) = row.split_once(',').with_context(|| format!("line {number}: no comma"))?;
        let at = stamp.replacen(' ', "T", 1) + "Z";
        line(number, &at, [("temperature", self::number(value))])
    })
    .collect()
}

/// Comma-separated with titles: `YYYY/MM/DD`, `HH:MM:SS`, then columns of which the seventh is the light of sensor 1 in
/// lux and the seventeenth and eighteenth are the movement detectors, 0 or 1.
pub(crate) fn room(text: &str) -> Result<Vec<Line>> {
    let mut rows = numbered(text);
    let columns = "Date,Time,S1_Temp,S2_Temp,S3_Temp,S4_Temp,S1_Light,S2_Light,S3_Light,S4_Light,S1_Sound,S2_Sound,\
                   S3_Sound,S4_Sound,S5_CO2,S5_CO2_Slope,S6_PIR,S7_PIR,Room_Occupancy_Count";
    titles(rows.next(), columns)?;
    rows.map(|(number, row)| {
        let fields: Vec<_> = row.split(',').collect();
        ensure!(fields.len() == 19, "line {number}: {} columns, expected 19", fields.len());
        let at = format!("{}T{}Z", fields[0].replace('/', "-"), fields[1]);
        let readings = [
            ("illuminance", self::number(fields[6])),
            ("motion-s6", movement(fields[16])),
            ("motion-s7", movement(fields[17])),
        ];
        line(number, &at, readings)
    })
    .collect()
}

/// Comma-separated with titles, every second field in quotes or none: the second is the vehicle, the fourth the stamp,
/// the fifth and sixth latitude and longitude in degrees. Rows stand by vehicle; they are sorted by stamp here.
pub(crate) fn buses(text: &str) -> Result<Vec<Line>> {
    let mut rows = numbered(text);
    let columns = "\"id\",\"vehicle_id\",\"trip_id\",\"timestamp\",\"latitude\",\"longitude\",\"bearing\",\"origin\",\
                   \"destination\",\"route_name\",\"direction\",\"operator\"";
    titles(rows.next(), columns)?;
    let each = rows.map(|(number, row)| {
        let fields: Vec<_> = row.split(',').map(|field| field.trim_matches('"')).collect();
        ensure!(fields.len() == 12, "line {number}: {} columns, expected 12", fields.len());
        let at = fields[3].replacen(' ', "T", 1) + "Z";
        let position = self::number(fields[4])
            .and_then(|latitude| Ok(json!({ "latitude": latitude, "longitude": self::number(fields[5])? })));
        let one = line(number, &at, [("position", position)])?;
        Ok(Line { device: format!("bus-{}", fields[1]), ..one })
    });
    let mut lines = each.collect::<Result<Vec<_>>>()?;
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

/// The lines of a file with their numbers from 1, without line ends and without an empty last one.
fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, row)| (index + 1, row))
}

fn titles(first: Option<(usize, &str)>, expected: &str) -> Result<()> {
    match first {
        Some((_, found)) if found == expected => Ok(()),
        Some((_, found)) => bail!("unknown titles `{found}`"),
        None => bail!("the file is empty"),
    }
}

fn line<const N: usize>(number: usize, at: &str, readings: [(&str, Result<Value>); N]) -> Result<Line> {
    let at = at.parse().with_context(|| format!("line {number}"))?;
    let readings = readings
        .into_iter()
        .map(|(capability, value)| Ok((capability.to_owned(), value.with_context(|| format!("line {number}"))?)))
        .collect::<Result<_>>()?;
    Ok(Line { device: String::new(), at, readings })
}

fn number(text: &str) -> Result<Value> {
    let number: f64 = text.trim().parse().with_context(|| format!("`{text}` is no number"))?;
    ensure!(number.is_finite(), "`{text}` is no finite number");
    Ok(json!(number))
}

fn movement(text: &str) -> Result<Value> {
    match text {
        "0" => Ok(json!(false)),
        "1" => Ok(json!(true)),
        other => bail!("`{other}` is neither 0 nor 1"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(converted: Result<Vec<Line>>, expected: &[(&str, Value)]) {
        let converted = converted.expect("it converts");
        let seen: Vec<_> =
            converted.into_iter().map(|line| (line.at.to_string(), Value::Object(line.readings))).collect();
        let expected: Vec<_> = expected.iter().map(|(at, readings)| ((*at).to_owned(), readings.clone())).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_loggers_rows_stand_between_its_titles_and_its_certificate() {
        let text = "Hist:\r\n\t1\r\nData:\r\n\tyyyy-MM-dd hh:mm\tT\tOut of limits\r\n\
                    \t2022-05-02 04:44\t26.3\tx\r\n\t2022-05-02 11:16\t-7.3\r\nCert:\r\n Vers: 1.0\r\n";
        check(
            logger(text),
            &[
                ("2022-05-02T04:44:00Z", json!({ "temperature": 26.3 })),
                ("2022-05-02T11:16:00Z", json!({ "temperature": -7.3 })),
            ],
        );
        assert!(logger("Data:\n\tyyyy-MM-dd hh:mm\tT\n\t2022-05-02 04:44\twarm\n").is_err());
        assert!(logger("no data").is_err());
    }

    #[test]
    fn humidity_is_stamped_in_unix_seconds() {
        check(humidity("1489017527\t47\n"), &[("2017-03-08T23:58:47Z", json!({ "humidity": 47.0 }))]);
        assert!(humidity("1489017527,47\n").is_err());
    }

    #[test]
    fn a_machines_numbers_are_kept_to_the_last_digit() {
        check(
            machine("timestamp,value\n2013-12-02 21:20:00,74.93588199999998\n"),
            &[("2013-12-02T21:20:00Z", json!({ "temperature": 74.935_881_999_999_98 }))],
        );
        assert!(machine("timestamp,value\n2013-12-02 21:20:00,NaN\n").is_err());
        assert!(machine("time,value\n").is_err());
    }

    #[test]
    fn buses_are_told_apart_and_sorted_by_time() {
        let titles = "\"id\",\"vehicle_id\",\"trip_id\",\"timestamp\",\"latitude\",\"longitude\",\"bearing\",\"origin\",\
                      \"destination\",\"route_name\",\"direction\",\"operator\"";
        let row = |vehicle: u32, minute: u32| {
            format!(
                "1,\"{vehicle}\",\"9\",\"2026-01-26 15:{minute}:02\",53.4,-2.9,,Queen_Sq,Road,\"14\",outbound,AMSY\n"
            )
        };
        let lines = buses(&format!("{titles}\n{}{}", row(4716, 57), row(4720, 50))).expect("it converts");
        let seen: Vec<_> = lines.iter().map(|line| (&*line.device, line.at.to_string())).collect();
        let expected = [("bus-4720", "2026-01-26T15:50:02Z"), ("bus-4716", "2026-01-26T15:57:02Z")];
        assert_eq!(seen, expected.map(|(device, at)| (device, at.to_owned())));
        assert_eq!(lines[0].readings["position"], json!({ "latitude": 53.4, "longitude": -2.9 }));
    }

    #[test]
    fn a_room_has_light_and_two_movement_detectors() {
        let titles = "Date,Time,S1_Temp,S2_Temp,S3_Temp,S4_Temp,S1_Light,S2_Light,S3_Light,S4_Light,S1_Sound,S2_Sound,\
                      S3_Sound,S4_Sound,S5_CO2,S5_CO2_Slope,S6_PIR,S7_PIR,Room_Occupancy_Count";
        let row = "2017/12/22,10:49:41,24.94,24.75,24.56,25.38,121,34,53,40,0.08,0.19,0.06,0.06,390,0.769,0,1,1";
        check(
            room(&format!("{titles}\n{row}\n")),
            &[("2017-12-22T10:49:41Z", json!({ "illuminance": 121.0, "motion-s6": false, "motion-s7": true }))],
        );
        assert!(room(&format!("{titles}\n{row},9\n")).is_err());
    }
}
