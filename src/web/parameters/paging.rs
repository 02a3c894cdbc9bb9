//! Which page of a list: order, direction, limit, cursors.

use super::{ApiError, Param, Parameters, Takes, quoted};
use crate::query::{CursorKey, PageQuery, Start};

/// Models in a page where the request names no limit.
const LIMIT_DEFAULT: usize = 100;
/// Models in a page at most: the API's limit.
const LIMIT_MAX: usize = 255;

/// What every list in order of `created_at` takes.
pub const PAGING: [Param; 5] = paging(&["created_at"]);

/// What a list takes that has these orders, the usual one first.
#[must_use]
pub const fn paging(orders: &'static [&'static str]) -> [Param; 5] {
    [
        Param { name: "order_by", takes: Takes::Word(orders), about: "what the list is sorted by" },
        Param {
            name: "dir",
            takes: Takes::Word(&["asc", "desc"]),
            about: "in which direction; the latest first by default",
        },
        Param { name: "limit", takes: Takes::Count, about: "models in a page, at most 255; 100 by default" },
        Param {
            name: "next",
            takes: Takes::Text,
            about: "the cursor of the page behind this one, from `pagination.next`",
        },
        Param {
            name: "prev",
            takes: Takes::Text,
            about: "the cursor of the page before this one, from `pagination.prev`",
        },
    ]
}

impl Parameters {
    /// Which page of a list in order of `created_at`.
    ///
    /// # Errors
    ///
    /// 422 for a limit, direction, order or cursor that cannot be obeyed.
    pub fn page<K: CursorKey>(&self) -> Result<PageQuery<K>, ApiError> {
        self.page_in(&["created_at"]).map(|(_, page)| page)
    }

    /// Which page of a list in one of several orders, the usual one first; the order is answered as its place among them.
    ///
    /// # Errors
    ///
    /// As [`page`](Self::page).
    pub fn page_in<K: CursorKey>(&self, orders: &[&str]) -> Result<(usize, PageQuery<K>), ApiError> {
        let order = match self.one("order_by")? {
            None => 0,
            Some(asked) => orders.iter().position(|order| *order == asked).ok_or_else(|| {
                self.bad("order_by", &format!("{} is not available: use {}", quoted(asked), orders.join(" or ")))
            })?,
        };
        let descending = match self.one("dir")? {
            None => true,
            Some(dir) if dir.eq_ignore_ascii_case("desc") => true,
            Some(dir) if dir.eq_ignore_ascii_case("asc") => false,
            Some(dir) => return Err(self.bad("dir", &format!("{} is neither asc nor desc", quoted(dir)))),
        };
        let limit =
            match self.one("limit")? {
                None => LIMIT_DEFAULT,
                Some(text) => text.parse().ok().filter(|limit| *limit <= LIMIT_MAX).ok_or_else(|| {
                    self.bad("limit", &format!("{} is not a number from 0 to {LIMIT_MAX}", quoted(text)))
                })?,
            };
        let cursor = |name: &str, text: &str| {
            let key = K::decode(text)
                .ok_or_else(|| self.bad(name, &format!("{} is not a cursor of this list", quoted(text))))?;
            if key.order() != order {
                let other = orders.get(key.order()).copied().unwrap_or("something else");
                let why = format!("{} is a cursor of the list in order of {other}: begin anew", quoted(text));
                return Err(self.bad(name, &why));
            }
            Ok(key)
        };
        let start = match (self.one("next")?, self.one("prev")?) {
            (None, None) => Start::First,
            (Some(next), None) => Start::After(cursor("next", next)?),
            (None, Some(prev)) => Start::Before(cursor("prev", prev)?),
            (Some(_), Some(_)) => return Err(ApiError::unprocessable("`next` and `prev` exclude each other")),
        };
        Ok((order, PageQuery { descending, start, limit }))
    }
}
