//! Reads PyTorch's file format from before 1.6: a row of pickles, then the raw storages.
//!
//! libtorch itself reads only the later zip format, and the published weights are not in it.
//! Only what a plain state dictionary of tensors needs is understood; everything else is an error, so no code
//! from the file is ever run (a pickle is a program; this is not its interpreter).

use std::collections::BTreeMap;
use tch::Tensor;

type Result<T> = std::result::Result<T, LegacyError>;

/// Why a file is not such a state dictionary.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LegacyError {
    /// It ends inside something.
    #[error("the file ends early, at byte {at}")]
    Truncated { at: usize },
    /// Something that a state dictionary does not have.
    #[error("{what} at byte {at}")]
    Unexpected { what: String, at: usize },
}

#[derive(Debug, Clone)]
enum Value {
    None,
    Mark,
    /// True or false: nothing that is read here depends on it.
    Bool,
    Int(i64),
    Big(Vec<u8>),
    Text(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Global(String),
    Storage(Storage),
    TensorRef {
        storage: Storage,
        offset: i64,
        size: Vec<i64>,
        stride: Vec<i64>,
    },
}

#[derive(Debug, Clone)]
struct Storage {
    kind: String,
    key: String,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end = self
            .at
            .checked_add(n)
            .ok_or(LegacyError::Truncated { at: self.at })?;
        let slice = self
            .bytes
            .get(self.at..end)
            .ok_or(LegacyError::Truncated { at: self.at })?;
        self.at = end;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn text(&mut self, n: usize) -> Result<String> {
        let at = self.at;
        String::from_utf8(self.take(n)?.to_vec()).map_err(|_| LegacyError::Unexpected {
            what: "text that is not UTF-8".into(),
            at,
        })
    }

    fn line(&mut self) -> Result<String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest
            .iter()
            .position(|b| *b == b'\n')
            .ok_or(LegacyError::Truncated { at: self.at })?;
        let text = self.text(length)?;
        self.take(1)?;
        Ok(text)
    }

    fn bad<T>(&self, what: impl Into<String>) -> Result<T> {
        Err(LegacyError::Unexpected {
            what: what.into(),
            at: self.at,
        })
    }
}

/// The stack machine of one pickle.
#[derive(Default)]
struct Machine {
    stack: Vec<Value>,
    memo: BTreeMap<u32, Value>,
}

impl Machine {
    fn pop(&mut self, reader: &Reader<'_>) -> Result<Value> {
        self.stack
            .pop()
            .map_or_else(|| reader.bad("pop from an empty stack"), Ok)
    }

    fn pop_to_mark(&mut self, reader: &Reader<'_>) -> Result<Vec<Value>> {
        let mark = self.stack.iter().rposition(|v| matches!(v, Value::Mark));
        let Some(mark) = mark else {
            return reader.bad("no mark on the stack");
        };
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn put(&mut self, key: u32) {
        if let Some(top) = self.stack.last() {
            self.memo.insert(key, top.clone());
        }
    }

    fn get(&mut self, key: u32, reader: &Reader<'_>) -> Result<()> {
        match self.memo.get(&key) {
            Some(value) => self.stack.push(value.clone()),
            None => return reader.bad(format!("memo {key} is empty")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Value>, reader: &Reader<'_>) -> Result<()> {
        let Some(Value::Dict(entries)) = self.stack.last_mut() else {
            return reader.bad("items for something that is no dictionary");
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            entries.push((key, value));
        }
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>, reader: &Reader<'_>) -> Result<()> {
        let Some(Value::List(list)) = self.stack.last_mut() else {
            return reader.bad("items for something that is no list");
        };
        list.extend(items);
        Ok(())
    }
}

fn unpickle(reader: &mut Reader<'_>) -> Result<Value> {
    let mut m = Machine::default();
    loop {
        match reader.byte()? {
            0x80 => {
                reader.byte()?;
            }
            b'.' => return m.pop(reader),
            b'(' => m.stack.push(Value::Mark),
            b'N' => m.stack.push(Value::None),
            0x88 | 0x89 => m.stack.push(Value::Bool),
            b'J' => m
                .stack
                .push(Value::Int(i64::from(i32::from_le_bytes(reader.array()?)))),
            b'K' => m.stack.push(Value::Int(i64::from(reader.byte()?))),
            b'M' => m
                .stack
                .push(Value::Int(i64::from(u16::from_le_bytes(reader.array()?)))),
            0x8a => {
                let length = usize::from(reader.byte()?);
                m.stack.push(Value::Big(reader.take(length)?.to_vec()));
            }
            b'X' => {
                let length = u32::from_le_bytes(reader.array()?) as usize;
                m.stack.push(Value::Text(reader.text(length)?));
            }
            b'q' => {
                let key = u32::from(reader.byte()?);
                m.put(key);
            }
            b'r' => {
                let key = u32::from_le_bytes(reader.array()?);
                m.put(key);
            }
            b'h' => {
                let key = u32::from(reader.byte()?);
                m.get(key, reader)?;
            }
            b'j' => {
                let key = u32::from_le_bytes(reader.array()?);
                m.get(key, reader)?;
            }
            b'c' => {
                let (module, name) = (reader.line()?, reader.line()?);
                m.stack.push(Value::Global(format!("{module}.{name}")));
            }
            b'}' => m.stack.push(Value::Dict(Vec::new())),
            b']' => m.stack.push(Value::List(Vec::new())),
            b')' => m.stack.push(Value::Tuple(Vec::new())),
            b't' => {
                let items = m.pop_to_mark(reader)?;
                m.stack.push(Value::Tuple(items));
            }
            op @ 0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0..=(op - 0x85) {
                    items.push(m.pop(reader)?);
                }
                items.reverse();
                m.stack.push(Value::Tuple(items));
            }
            b'u' => {
                let items = m.pop_to_mark(reader)?;
                m.set_items(items, reader)?;
            }
            b's' => {
                let (value, key) = (m.pop(reader)?, m.pop(reader)?);
                m.set_items(vec![key, value], reader)?;
            }
            b'e' => {
                let items = m.pop_to_mark(reader)?;
                m.append(items, reader)?;
            }
            b'a' => {
                let item = m.pop(reader)?;
                m.append(vec![item], reader)?;
            }
            b'R' => {
                let (arguments, callee) = (m.pop(reader)?, m.pop(reader)?);
                m.stack.push(call(&callee, arguments, reader)?);
            }
            b'Q' => {
                let id = m.pop(reader)?;
                m.stack.push(persistent(id, reader)?);
            }
            // BUILD: state of an ordered dictionary (its metadata), which does not concern the tensors.
            b'b' => {
                m.pop(reader)?;
            }
            op => return reader.bad(format!("pickle operation {op:#04x} is not allowed")),
        }
    }
}

fn call(callee: &Value, arguments: Value, reader: &Reader<'_>) -> Result<Value> {
    let (Value::Global(name), Value::Tuple(arguments)) = (callee, arguments) else {
        return reader.bad("a call of something that is no name");
    };
    match (name.as_str(), arguments.as_slice()) {
        ("collections.OrderedDict", []) => Ok(Value::Dict(Vec::new())),
        (
            "torch._utils._rebuild_tensor_v2",
            [
                Value::Storage(storage),
                Value::Int(offset),
                Value::Tuple(size),
                Value::Tuple(stride),
                ..,
            ],
        ) => {
            let numbers = |values: &[Value]| -> Option<Vec<i64>> {
                values
                    .iter()
                    .map(|v| {
                        if let Value::Int(n) = v {
                            Some(*n)
                        } else {
                            None
                        }
                    })
                    .collect()
            };
            let (Some(size), Some(stride)) = (numbers(size), numbers(stride)) else {
                return reader.bad("a tensor whose shape is not made of numbers");
            };
            Ok(Value::TensorRef {
                storage: storage.clone(),
                offset: *offset,
                size,
                stride,
            })
        }
        (name, _) => reader.bad(format!("a call of `{name}` is not allowed")),
    }
}

fn persistent(id: Value, reader: &Reader<'_>) -> Result<Value> {
    let Value::Tuple(parts) = id else {
        return reader.bad("a storage without description");
    };
    match parts.as_slice() {
        [
            Value::Text(kind),
            Value::Global(class),
            Value::Text(key),
            ..,
        ] if kind == "storage" => Ok(Value::Storage(Storage {
            kind: class.clone(),
            key: key.clone(),
        })),
        _ => reader.bad("a storage of unknown form"),
    }
}

/// All tensors by name.
pub(crate) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let mut reader = Reader { bytes, at: 0 };
    // Magic number, protocol version, system description: fixed in this format.
    let Value::Big(magic) = unpickle(&mut reader)? else {
        return reader.bad("no magic number");
    };
    if magic != [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19] {
        return reader.bad("another magic number");
    }
    unpickle(&mut reader)?;
    unpickle(&mut reader)?;
    let Value::Dict(state) = unpickle(&mut reader)? else {
        return reader.bad("no dictionary");
    };
    let Value::List(keys) = unpickle(&mut reader)? else {
        return reader.bad("no storage list");
    };
    let mut kinds = BTreeMap::new();
    for (_, value) in &state {
        if let Value::TensorRef { storage, .. } = value {
            kinds.insert(storage.key.clone(), storage.kind.clone());
        }
    }
    let mut storages = BTreeMap::new();
    for key in keys {
        let Value::Text(key) = key else {
            return reader.bad("a storage without name");
        };
        let count = i64::from_le_bytes(reader.array()?) as usize;
        let tensor = match kinds.get(&key).map(String::as_str) {
            Some("torch.FloatStorage") => {
                let raw = reader.take(count.saturating_mul(4))?;
                let floats: Vec<f32> = raw
                    .as_chunks::<4>()
                    .0
                    .iter()
                    .map(|c| f32::from_le_bytes(*c))
                    .collect();
                Tensor::from_slice(&floats)
            }
            Some("torch.LongStorage") => {
                let raw = reader.take(count.saturating_mul(8))?;
                let longs: Vec<i64> = raw
                    .as_chunks::<8>()
                    .0
                    .iter()
                    .map(|c| i64::from_le_bytes(*c))
                    .collect();
                Tensor::from_slice(&longs)
            }
            other => return reader.bad(format!("a storage of kind {other:?}")),
        };
        storages.insert(key, tensor);
    }
    if reader.at != bytes.len() {
        return reader.bad("bytes after the last storage");
    }
    let mut tensors = BTreeMap::new();
    for (name, value) in state {
        let (
            Value::Text(name),
            Value::TensorRef {
                storage,
                offset,
                size,
                stride,
            },
        ) = (name, value)
        else {
            return reader.bad("an entry that is no tensor");
        };
        let Some(data) = storages.get(&storage.key) else {
            return reader.bad(format!("`{name}` without its storage"));
        };
        // Strides matter: some weights of the published file are stored transposed.
        let tensor = data
            .f_as_strided(&size, &stride, offset)
            .map_err(|e| LegacyError::Unexpected {
                what: format!("`{name}`: {e}"),
                at: reader.at,
            })?
            .contiguous();
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_a_pickle_is_refused() {
        // os.system("id"): the classic.
        let attack = b"cposix\nsystem\n(X\x02\x00\x00\x00idtR.";
        let error = unpickle(&mut Reader {
            bytes: attack,
            at: 0,
        })
        .unwrap_err();
        assert!(error.to_string().contains("posix.system"), "{error}");
    }

    #[test]
    fn truncated_and_foreign_files_are_errors() {
        assert!(read(b"").is_err());
        assert!(read(b"PK\x03\x04 a zip").is_err());
        assert!(read(b"\x80\x02K\x01.").is_err());
    }
}
