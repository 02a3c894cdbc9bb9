//! The few kinds of schemas the API's shapes are made of, as short words. Owns no shape.

use serde_json::Value;
use utoipa::openapi::{
    Ref, RefOr, Schema,
    schema::{
        AnyOfBuilder, ArrayBuilder, KnownFormat, Object, ObjectBuilder, OneOfBuilder, SchemaFormat, SchemaType, Type,
    },
};

/// A schema, in place or by name.
pub(super) type Shape = RefOr<Schema>;

fn simple(of: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(of)
}

/// Any text.
pub(super) fn text() -> Shape {
    simple(Type::String).build().into()
}

/// A text of at most so many characters.
pub(super) fn text_up_to(length_max: usize) -> Shape {
    simple(Type::String).max_length(Some(length_max)).build().into()
}

/// A text that matches.
pub(super) fn text_like(pattern: &str, length_max: usize) -> Shape {
    simple(Type::String).pattern(Some(pattern)).min_length(Some(1)).max_length(Some(length_max)).build().into()
}

/// One of these texts.
pub(super) fn word<W: Into<Value>>(words: impl IntoIterator<Item = W>) -> Shape {
    simple(Type::String).enum_values(Some(words)).build().into()
}

/// A moment, RFC 3339 in UTC.
pub(super) fn time() -> Shape {
    simple(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).build().into()
}

/// A whole number, not negative.
pub(super) fn count() -> Shape {
    simple(Type::Integer).minimum(Some(0u32)).build().into()
}

/// A whole number within bounds.
pub(super) fn count_between(least: u32, most: u32) -> Shape {
    simple(Type::Integer).minimum(Some(least)).maximum(Some(most)).build().into()
}

/// Any number.
pub(super) fn number() -> Shape {
    simple(Type::Number).build().into()
}

/// True or false.
pub(super) fn flag() -> Shape {
    simple(Type::Boolean).build().into()
}

/// Anything that JSON can say.
pub(super) fn anything() -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).build().into()
}

/// Null, and nothing else.
pub(super) fn nothing() -> Shape {
    simple(Type::Null).build().into()
}

/// An object whose names are free.
pub(super) fn map_of(values: Shape) -> Shape {
    let RefOr::T(values) = values else {
        return simple(Type::Object).additional_properties(Some(values)).build().into();
    };
    simple(Type::Object).additional_properties(Some(values)).build().into()
}

/// An array.
pub(super) fn list(of: Shape) -> Shape {
    ArrayBuilder::new().items(of).build().into()
}

/// The schema of this name.
pub(super) fn named(name: &str) -> Shape {
    Ref::from_schema_name(name).into()
}

/// One of these, where several may fit.
pub(super) fn either(shapes: impl IntoIterator<Item = Shape>) -> Shape {
    RefOr::T(Schema::AnyOf(shapes.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item).build()))
}

/// The same, or null.
pub(super) fn or_null(shape: Shape) -> Shape {
    match shape {
        RefOr::T(Schema::Object(object)) => with_null(object).into(),
        RefOr::T(Schema::Array(mut array)) => {
            array.schema_type = SchemaType::Array(vec![Type::Array, Type::Null]);
            RefOr::T(Schema::Array(array))
        }
        other => RefOr::T(Schema::OneOf(OneOfBuilder::new().item(other).item(simple(Type::Null)).build())),
    }
}

fn with_null(mut object: Object) -> Object {
    if let SchemaType::Type(one) = object.schema_type {
        object.schema_type = SchemaType::Array(vec![one, Type::Null]);
    }
    if let Some(words) = &mut object.enum_values {
        words.push(Value::Null);
    }
    object
}

/// An object under construction.
pub(super) struct Thing(ObjectBuilder);

/// An object as answers have it: further fields may come with later versions.
pub(super) fn answer() -> Thing {
    Thing(simple(Type::Object))
}

/// An object as bodies have it: a field that is not known is refused.
pub(super) fn body() -> Thing {
    Thing(
        simple(Type::Object)
            .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(false))),
    )
}

impl Thing {
    /// A field that is always there.
    pub(super) fn has(self, name: &str, shape: Shape) -> Self {
        Self(self.0.property(name, shape).required(name))
    }

    /// A field that may be missing.
    pub(super) fn may(self, name: &str, shape: Shape) -> Self {
        Self(self.0.property(name, shape))
    }

    /// Fields that are always there and may be null.
    pub(super) fn has_or_null<const N: usize>(self, names: [&str; N], shape: fn() -> Shape) -> Self {
        names.into_iter().fold(self, |thing, name| thing.has(name, or_null(shape())))
    }

    /// A field that may be missing; null says the same.
    pub(super) fn may_or_null(self, name: &str, shape: Shape) -> Self {
        self.may(name, or_null(shape))
    }

    /// Says what it is.
    pub(super) fn about(self, about: &str) -> Self {
        Self(self.0.description(Some(about)))
    }

    /// The schema.
    pub(super) fn done(self) -> Shape {
        self.0.build().into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(shape: &Shape) -> Value {
        serde_json::to_value(shape).unwrap()
    }

    #[test]
    fn null_is_said_as_json_schema_says_it() {
        assert_eq!(shown(&or_null(text())), json!({ "type": ["string", "null"] }));
        let words = json!({ "type": ["string", "null"], "enum": ["a", null] });
        assert_eq!(shown(&or_null(word(["a"]))), words);
        assert_eq!(shown(&or_null(list(text()))), json!({ "type": ["array", "null"], "items": { "type": "string" } }));
        let either = json!({ "oneOf": [{ "$ref": "#/components/schemas/Event" }, { "type": "null" }] });
        assert_eq!(shown(&or_null(named("Event"))), either);
    }

    #[test]
    fn bodies_take_nothing_that_is_not_known() {
        let shape = shown(&body().has("name", text()).may("count", count()).done());
        assert_eq!((&shape["additionalProperties"], &shape["required"]), (&json!(false), &json!(["name"])));
    }
}
