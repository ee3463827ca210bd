//! Whole customers looked at on one core: address, names, company, number, document with a wrong letter, risk.

use crate::Settings;
use crate::cpu::of_this_thread;
use crate::measure::median;
use crate::table::{Hold, Line, Table};
use domain::country::Country;
use domain::document::DocumentKind;
use domain::validators::customer::{Claims, RiskFacts, Rules, validate};
use domain::validators::document::NumberKind;
use std::hint::black_box;

/// As many different customers.
const CUSTOMERS: usize = 10_000;
/// How often each is looked at in a round.
const TIMES: usize = 5;

struct Typed {
    email: String,
    phone: String,
    document: String,
}

/// Counted in processor time, so that what else the machine does is left out.
pub(crate) fn run(settings: Settings, table: &mut Table) {
    let customers: Vec<Typed> = (0..CUSTOMERS)
        .map(|number| Typed {
            email: format!("cliente{number}@empresa{}.com", number % 1_000),
            phone: format!("+346{:08}", number * 9_973 % 100_000_000),
            document: format!("{number:08}A"),
        })
        .collect();
    let rates = (0..settings.rounds).map(|_| {
        let begun = of_this_thread();
        for customer in customers.iter().cycle().take(CUSTOMERS * TIMES) {
            black_box(validate(&claims(customer), RiskFacts::default(), &Rules::default()));
        }
        (CUSTOMERS * TIMES) as f64 / (of_this_thread() - begun).as_secs_f64()
    });
    let line = Line::new("validators", "whole customers, one core", median(rates), "verdicts/s");
    table.add(line.hold(Hold::AtLeast(100_000.0)));
}

fn claims(typed: &Typed) -> Claims<'_> {
    Claims {
        email: Some(&typed.email),
        first_name: Some("Juan"),
        last_name: Some("Pérez"),
        company_name: Some("Empresa ABC"),
        vat_number: None,
        phone: Some(&typed.phone),
        country: Some(Country::ES),
        document: Some((NumberKind::Document(DocumentKind::Dni), &typed.document, None)),
    }
}
