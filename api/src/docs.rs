//! `GET /docs`: the reference of the API as pages, from files within the program: they work without a network.
//!
//! The pages are Swagger UI (Apache-2.0). They are not allowed to load or to ask anything but this server: what is not in the
//! program is not shown, rather than fetched.

use crate::Api;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use std::sync::{Arc, LazyLock};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::Config;

const FIRST: &str = "/docs/index.html";
/// Styles are set by the pages' own scripts, icons stand in their style sheet.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let pages = Config::from("/openapi.json").validator_url("none").doc_expansion("list").filter(true);
    Arc::new(pages.deep_linking(true).default_models_expand_depth(0).display_request_duration(true))
});

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(get_docs)).routes(routes!(get_docs_file))
}

/// Leads to the reference of the API for people.
#[utoipa::path(
    get, path = "/docs", tag = "operations",
    responses((status = 307, description = "The first page", headers(("Location" = String, description = "Its path")))),
)]
async fn get_docs() -> Redirect {
    Redirect::temporary(FIRST)
}

/// Tells a file of the reference.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "operations",
    params(("file" = String, Path, description = "Name of the file", example = "index.html")),
    responses(
        (status = 200, description = "The file", content_type = "text/html", body = schemas::Page),
        (status = 404, description = "no_such_page"),
    ),
)]
async fn get_docs_file(Path(file): Path<String>) -> Result<Response, Problem> {
    let found = utoipa_swagger_ui::serve(&file, Arc::clone(&CONFIG));
    let found = found.map_err(|error| Problem::internal().because(error.to_string()))?;
    let page = found.ok_or_else(|| Problem::not_found("no_such_page", "the reference has no page of this name"))?;
    let headers = [
        (header::CONTENT_TYPE, page.content_type.as_str()),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    Ok((StatusCode::OK, headers, page.bytes.into_owned()).into_response())
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use crate::tests::doors;
    use std::sync::Arc;

    #[tokio::test]
    async fn all_that_the_first_page_names_is_in_the_program() {
        let doors = doors(Config::default());
        let moved = doors.get("/docs", None).await;
        assert_eq!((moved.status.as_u16(), moved.headers["location"].to_str().ok()), (307, Some(super::FIRST)));
        let page = doors.get(super::FIRST, None).await;
        assert!(
            page.headers["content-security-policy"]
                .to_str()
                .is_ok_and(|policy| policy.starts_with("default-src 'none'"))
        );
        let named: Vec<_> =
            page.body.split(['"', '\'']).filter(|text| text.starts_with("./") || text.contains("//")).collect();
        assert!(named.len() > 4, "{}", page.body);
        for name in named {
            let file = name.strip_prefix("./").unwrap_or_else(|| panic!("{name} is elsewhere"));
            assert!(
                utoipa_swagger_ui::serve(file, Arc::clone(&super::CONFIG)).is_ok_and(|found| found.is_some()),
                "{name}"
            );
        }
        let script = doors.get("/docs/swagger-initializer.js", None).await;
        assert!(script.body.contains("/openapi.json") && !script.body.contains("http"), "{}", script.body);
        assert_eq!(doors.get("/docs/nothing", None).await.status.as_u16(), 404);
    }
}
