//! Whether drawing a page of a PDF comes to an end. A form on it may draw further forms, and so itself; a page
//! inherits from what is above it, which may be itself. The parser follows both until its stack is used up.

use pdf_extract::{Dictionary, Document, Object, ObjectId, content::Content};

/// How far up a page may inherit from.
const ANCESTORS: usize = 64;
/// How deep forms may stand in one another.
const DEPTH: usize = 16;
/// How many forms a page may draw: each may draw several that each draw several.
const FORMS: usize = 4096;

pub(super) fn end(document: &Document, page: ObjectId) -> bool {
    let mut resources = None;
    let mut node = page;
    for _ in 0..ANCESTORS {
        let above = document.get_dictionary(node).ok();
        resources = resources.or_else(|| document.get_dict_in_dict(above?, b"Resources").ok());
        let parent = above.and_then(|above| above.get(b"Parent").and_then(Object::as_reference).ok());
        let Some(parent) = parent else {
            let content = document.get_page_content(page).unwrap_or_default();
            return ends(document, &content, resources, Spent { depth: 0, forms: &mut 0 });
        };
        node = parent;
    }
    false
}

/// What was drawn so far.
struct Spent<'a> {
    depth: usize,
    forms: &'a mut usize,
}

fn ends(document: &Document, content: &[u8], resources: Option<&Dictionary>, spent: Spent<'_>) -> bool {
    let Some(forms) = resources.and_then(|resources| document.get_dict_in_dict(resources, b"XObject").ok()) else {
        return true;
    };
    let form = |name: &[u8]| forms.get_deref(name, document).and_then(Object::as_stream).ok();
    // What does not decode is not drawn.
    let Ok(content) = Content::decode(content) else { return true };
    for operation in content.operations.iter().filter(|operation| operation.operator == "Do") {
        let name = operation.operands.first().and_then(|name| name.as_name().ok());
        let Some(form) = name.and_then(form) else { continue };
        *spent.forms += 1;
        if spent.depth == DEPTH || *spent.forms > FORMS {
            return false;
        }
        let own = document.get_dict_in_dict(&form.dict, b"Resources").ok().or(resources);
        let content = form.decompressed_content().unwrap_or_else(|_| form.content.clone());
        if !ends(document, &content, own, Spent { depth: spent.depth + 1, forms: spent.forms }) {
            return false;
        }
    }
    true
}
