//! Templates: the approved texts of notifications, checked when they are loaded and rendered on the host's side.

use std::collections::BTreeMap;

use minijinja::{Environment, Value};
use model::notification::{Class, Template};
use model::{Attributes, Name};

use crate::rendering;

/// All approved templates. Immutable: a change makes a new one.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    templates: BTreeMap<Name, Template>,
}

/// A notification's text in one locale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub title: String,
    pub body: String,
    pub locale: Name,
    pub class: Class,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("template `{template}`, {part} in `{locale}`: {message}")]
    Syntax { template: Name, locale: Name, part: &'static str, message: String },
    #[error("template `{template}` has no text in its default locale `{locale}`")]
    NoDefault { template: Name, locale: Name },
    #[error("no template `{0}`")]
    NoSuchTemplate(Name),
    #[error("template `{template}` in `{locale}` failed")]
    Rendering {
        template: Name,
        locale: Name,
        #[source]
        source: rendering::Error,
    },
}

impl Error {
    /// The reason code of a failed effect.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoSuchTemplate(_) => "no-such-template",
            Self::Rendering { source, .. } => source.reason(),
            Self::Syntax { .. } | Self::NoDefault { .. } => "bad-template",
        }
    }
}

impl Default for Templates {
    /// None at all.
    fn default() -> Self {
        Self { environment: rendering::environment(), templates: BTreeMap::new() }
    }
}

impl Templates {
    /// Checks each text of each template.
    ///
    /// # Errors
    /// When a text does not read as a template, or one has no text in its default locale.
    pub fn new(templates: impl IntoIterator<Item = Template>) -> Result<Self, Error> {
        let mut all = Self::default();
        for template in templates {
            all.add(template)?;
        }
        Ok(all)
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Template> {
        self.templates.get(name)
    }

    /// The text in this locale, else in its language, else in the template's default locale.
    ///
    /// # Errors
    /// When there is no such template, a parameter is missing, or the text is too long or too slow.
    pub fn render(&self, name: &str, locale: Option<&str>, parameters: &Attributes) -> Result<Rendered, Error> {
        let template = self.get(name).ok_or_else(|| Error::NoSuchTemplate(name.into()))?;
        let locale = choose(template, locale);
        let values = Value::from_pairs(rendering::values(parameters));
        let render = |part| {
            let path = path(name, locale, part);
            let compiled =
                self.environment.get_template(&path).map_err(|e| rendering::Error::Syntax(rendering::full(&e)));
            compiled
                .and_then(|compiled| rendering::render(&compiled, values.clone()))
                .map_err(|source| Error::Rendering { template: name.into(), locale: locale.clone(), source })
        };
        Ok(Rendered { title: render("title")?, body: render("body")?, locale: locale.clone(), class: template.class })
    }

    fn add(&mut self, template: Template) -> Result<(), Error> {
        if !template.texts.contains_key(&template.default_locale) {
            return Err(Error::NoDefault { template: template.name, locale: template.default_locale });
        }
        for (locale, text) in &template.texts {
            for (part, source) in [("title", &text.title), ("body", &text.body)] {
                self.environment.add_template_owned(path(&template.name, locale, part), source.to_string()).map_err(
                    |e| Error::Syntax {
                        template: template.name.clone(),
                        locale: locale.clone(),
                        part,
                        message: rendering::full(&e),
                    },
                )?;
            }
        }
        self.templates.insert(template.name.clone(), template);
        Ok(())
    }
}

/// Names cannot hold a slash, so paths of different texts differ.
fn path(template: &str, locale: &str, part: &str) -> String {
    format!("{template}/{locale}/{part}")
}

fn choose<'a>(template: &'a Template, locale: Option<&str>) -> &'a Name {
    let there = |wanted: &str| template.texts.get_key_value(wanted).map(|(locale, _)| locale);
    locale
        .and_then(|wanted| there(wanted).or_else(|| there(wanted.split('-').next().unwrap_or(wanted))))
        .unwrap_or(&template.default_locale)
}

#[cfg(test)]
mod tests {
    use model::notification::Text;

    use super::*;

    fn template(texts: &[(&str, &str)]) -> Template {
        let texts = texts
            .iter()
            .map(|(locale, body)| ((*locale).into(), Text { title: "{{ what }}".into(), body: (*body).into() }));
        Template {
            name: "excursion".into(),
            class: Class::Service,
            purpose: "service".into(),
            texts: texts.collect(),
            default_locale: "en".into(),
        }
    }

    #[test]
    fn a_locale_falls_back_to_its_language_and_then_to_the_default() {
        let templates =
            Templates::new([template(&[("en", "{{ t }} deg"), ("de", "{{ t }} Grad"), ("de-AT", "{{ t }} oida")])]);
        let templates = templates.expect("sound templates");
        let parameters = vec![("what".into(), "Fridge".into()), ("t".into(), 8.5.into())];
        let body = |locale| templates.render("excursion", locale, &parameters).expect("renders").body;
        assert_eq!(body(Some("de-AT")), "8.5 oida");
        assert_eq!(body(Some("de-CH")), "8.5 Grad");
        assert_eq!(body(Some("fr")), "8.5 deg");
        assert_eq!(body(None), "8.5 deg");
    }

    #[test]
    fn faults_are_found_when_templates_are_loaded() {
        let error = Templates::new([template(&[("en", "{{ t ")])]).expect_err("a fault");
        assert!(error.to_string().starts_with("template `excursion`, body in `en`: "), "{error}");
        let error = Templates::new([template(&[("de", "x")])]).expect_err("a fault");
        assert_eq!(error.to_string(), "template `excursion` has no text in its default locale `en`");
    }

    #[test]
    fn missing_parameters_and_templates_have_reasons() {
        let templates = Templates::new([template(&[("en", "{{ t }}")])]).expect("sound");
        let reason = |name| templates.render(name, None, &Vec::new()).expect_err("a fault").reason();
        assert_eq!(reason("excursion"), "missing-argument");
        assert_eq!(reason("other"), "no-such-template");
    }

    #[test]
    fn markup_in_a_parameter_stays_text() {
        let templates = Templates::new([template(&[("en", "{{ t }}")])]).expect("sound");
        let parameters = vec![("what".into(), "x".into()), ("t".into(), "<b> {{ what }} & 'q'".into())];
        assert_eq!(templates.render("excursion", None, &parameters).expect("renders").body, "<b> {{ what }} & 'q'");
    }
}
