//! One collection: made where there is none, looked over where there is, and brought to hold exactly the rows it should.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use milvus::v2::{
    ClientV2, ConsistencyLevel, FieldData, IndexDesc, IndexType, QueryResults,
    request::{
        collection::{
            CreateCollectionRequest, DescribeCollectionRequest, DropCollectionRequest, HasCollectionRequest,
            LoadCollectionRequest,
        },
        dml::{DeleteRequest, InsertRequest, UpsertRequest},
        dql::QueryRequest,
        index::{CreateIndexRequest, DescribeIndexRequest},
        partition::{CreatePartitionRequest, HasPartitionRequest},
        utility::FlushRequest,
    },
};

use crate::{
    ClusterError, Reason,
    connection::Milvus,
    expression::quoted,
    layout::{HAVING, KEY, Kind, MADE_BY, MOST_ROWS, NUMBER, VECTOR},
    rows::{Row, columns, key_mark, term_mark},
};

/// A request is about so large.
const BATCH_BYTES: usize = 4 << 20;
const BATCH_ROWS: usize = 2_000;
const DELETED_AT_ONCE: usize = 1_000;

/// A collection of a set.
#[derive(Clone)]
pub struct Shelf {
    pub milvus: Milvus,
    pub name: String,
    pub kind: Kind,
}

/// What a row's key stands for, and so whether it is the row that should be there.
pub type Marks = HashMap<String, u128>;

impl Shelf {
    /// Makes the collection with its partitions and indexes, or sees that the one that is there is ours; and loads it.
    ///
    /// # Errors
    /// When the name is taken by another collection.
    pub async fn prepare(&self, dimension: usize, graph: bool, partitions: &[String]) -> Result<(), ClusterError> {
        if self.exists().await? && !(self.fits(dimension).await? && self.is_indexed_so(graph).await?) {
            // Ours, and not the one that is searched: its vectors are another model's, or are looked up in another way.
            let drop = built(self, DropCollectionRequest::builder().collection_name(&self.name).build())?;
            self.milvus.repeat("drop a collection", async |client| client.drop_collection(drop.clone()).await).await?;
        }
        if !self.exists().await? {
            let create = CreateCollectionRequest::builder()
                .collection_name(&self.name)
                .description(MADE_BY)
                .schema(self.kind.schema(dimension))
                .consistency_level(ConsistencyLevel::Bounded);
            let create = built(self, create.build())?;
            let made = self
                .milvus
                .repeat("make a collection", async |client| client.create_collection(create.clone()).await)
                .await;
            // When the first answer was lost, the second says that it is there.
            if made.is_err() && !self.exists().await? {
                return made;
            }
        }
        for partition in partitions {
            if self.has_partition(partition).await? {
                continue;
            }
            let create = CreatePartitionRequest::builder().collection_name(&self.name).partition_name(partition);
            let create = built(self, create.build())?;
            let made = self
                .milvus
                .repeat("make a partition", async |client| client.create_partition(create.clone()).await)
                .await;
            if made.is_err() && !self.has_partition(partition).await? {
                return made;
            }
        }
        for index in self.kind.indexes(graph) {
            let field = index.get_field_name().to_owned();
            if self.index_type(&field).await?.is_some() {
                continue;
            }
            let create = CreateIndexRequest::builder().collection_name(&self.name).index_param(index).build();
            let create = built(self, create)?;
            let made = self.milvus.repeat("make an index", async |client| client.create_index(create.clone()).await);
            let made = made.await;
            if made.is_err() && self.index_type(&field).await?.is_none() {
                return made;
            }
        }
        self.load().await
    }

    /// Loads the collection, so that it can be looked into.
    pub async fn load(&self) -> Result<(), ClusterError> {
        let replicas = self.milvus.connection.replicas.max(1) as i32;
        let load = LoadCollectionRequest::builder().collection_name(&self.name).replica_number(replicas);
        let load = built(self, load.build())?;
        self.milvus.repeat("load a collection", async |client| client.load_collection(load.clone()).await).await
    }

    /// Looks into the collection; where the server has forgotten that it was loaded, loads it and looks again.
    pub async fn read<T>(
        &self,
        what: &str,
        ask: impl AsyncFn(&ClientV2) -> milvus::v2::error::Result<T>,
    ) -> Result<T, ClusterError> {
        match self.milvus.repeat(what, &ask).await {
            Err(ClusterError::Refused { reason: Reason::NotLoaded, .. }) => {
                self.load().await?;
                self.milvus.repeat(what, &ask).await
            }
            answer => answer,
        }
    }

    /// Whether its vectors are scanned or have a graph, as wanted; not having an index yet is no hindrance.
    async fn is_indexed_so(&self, graph: bool) -> Result<bool, ClusterError> {
        if self.kind != Kind::Vectors {
            return Ok(true);
        }
        let found = self.index_type(VECTOR).await?;
        Ok(found.is_none_or(|found| (found == IndexType::Hnsw) == graph))
    }

    async fn index_type(&self, field: &str) -> Result<Option<IndexType>, ClusterError> {
        let describe = DescribeIndexRequest::builder().collection_name(&self.name).field_name(field).build();
        let describe = built(self, describe)?;
        let found =
            self.milvus.repeat("describe an index", async |client| client.describe_index(describe.clone()).await).await;
        match found {
            Ok(found) => Ok(found.indexes().first().map(IndexDesc::get_index_type)),
            // It says so in an error when there is none.
            Err(ClusterError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub async fn exists(&self) -> Result<bool, ClusterError> {
        let has = built(self, HasCollectionRequest::builder().collection_name(&self.name).build())?;
        let found = self
            .milvus
            .repeat("look for a collection", async |client| client.has_collection(has.clone()).await)
            .await?;
        Ok(found.exists())
    }

    /// Whether it is made for vectors of this length.
    ///
    /// # Errors
    /// When it is not ours.
    async fn fits(&self, dimension: usize) -> Result<bool, ClusterError> {
        let describe = built(self, DescribeCollectionRequest::builder().collection_name(&self.name).build())?;
        let found = self
            .milvus
            .repeat("describe a collection", async |client| client.describe_collection(describe.clone()).await)
            .await?;
        let (found, expected) = (found.description().get_schema().clone(), self.kind.schema(dimension));
        let told = |fields: &[milvus::v2::FieldSchema]| {
            let mut told: Vec<String> = fields
                .iter()
                .filter(|field| !field.is_dynamic())
                .map(|field| format!("{} {:?}", field.get_name(), field.get_data_type()))
                .collect();
            told.sort();
            told.join(", ")
        };
        let (found_fields, expected_fields) = (told(found.get_fields()), told(expected.get_fields()));
        if found_fields != expected_fields {
            return Err(ClusterError::NotOurs {
                uri: self.milvus.connection.uri.clone(),
                collection: self.name.clone(),
                problem: format!("its fields are {found_fields}, where {expected_fields} were expected"),
            });
        }
        let lengths = |fields: &[milvus::v2::FieldSchema]| {
            fields.iter().map(|field| (field.get_name().to_owned(), field.get_dimension())).collect::<HashMap<_, _>>()
        };
        Ok(lengths(found.get_fields()) == lengths(expected.get_fields()))
    }

    /// Partitions are asked for one by one: where they are listed, milvus-lite leaves out what the client wants to see.
    async fn has_partition(&self, partition: &str) -> Result<bool, ClusterError> {
        let has = HasPartitionRequest::builder().collection_name(&self.name).partition_name(partition);
        let has = built(self, has.build())?;
        let found = self.milvus.repeat("look for a partition", async |client| client.has_partition(has.clone()).await);
        Ok(found.await?.exists())
    }

    /// Rows, all partitions together.
    pub async fn is_empty(&self) -> Result<bool, ClusterError> {
        Ok(self.query(None, &format!("{NUMBER} >= 0"), &[NUMBER], 1).await?.get_row_count() == 0)
    }

    /// Looks up rows, as they are when this is asked.
    pub async fn query(
        &self,
        partition: Option<&str>,
        filter: &str,
        fields: &[&str],
        limit: usize,
    ) -> Result<QueryResults, ClusterError> {
        let mut query = QueryRequest::builder()
            .collection_name(&self.name)
            .filter(filter)
            .output_fields(fields.iter().copied())
            .limit(limit as i64)
            .consistency_level(ConsistencyLevel::Strong);
        if let Some(partition) = partition {
            query = query.partition_names([partition]);
        }
        let query = built(self, query.build())?;
        let found = self.read("look up rows", async |client| client.query(query.clone()).await).await?;
        Ok(found.results().clone())
    }

    /// Looks up the rows of a range of numbers, in as many answers as they take.
    pub async fn query_range(
        &self,
        partition: Option<&str>,
        range: Range<u32>,
        fields: &[&str],
    ) -> Result<Vec<QueryResults>, ClusterError> {
        let (mut found, mut left) = (Vec::new(), vec![range]);
        while let Some(range) = left.pop() {
            let filter = format!("{NUMBER} >= {} and {NUMBER} < {}", range.start, range.end);
            let answer = self.query(partition, &filter, fields, MOST_ROWS).await;
            let halves = |range: &Range<u32>| range.end - range.start > 1;
            match answer {
                Ok(answer) if answer.get_row_count() < MOST_ROWS as u64 => found.push(answer),
                Err(ClusterError::Refused { reason: Reason::TooLarge, .. }) if halves(&range) => {
                    split(&mut left, range);
                }
                Err(error) => return Err(error),
                Ok(_) if !halves(&range) => {
                    return Err(self.milvus.damaged(&self.name, format!("number {} has too many rows", range.start)));
                }
                Ok(_) => split(&mut left, range),
            }
        }
        Ok(found)
    }

    /// What is there of a range of numbers, in all partitions.
    pub async fn marks(&self, range: Range<u32>) -> Result<Marks, ClusterError> {
        let fields: &[&str] = if self.kind == Kind::Terms { &[KEY, NUMBER, HAVING] } else { &[KEY] };
        let mut marks = Marks::new();
        for found in self.query_range(None, range, fields).await? {
            let keys = self.strings(&found, KEY)?;
            if self.kind == Kind::Terms {
                let (numbers, havings) = (self.numbers(&found, NUMBER)?, self.numbers(&found, HAVING)?);
                for ((key, number), having) in keys.iter().zip(numbers).zip(havings) {
                    marks.insert(key.clone(), term_mark(key, *number, *having));
                }
            } else {
                marks.extend(keys.iter().map(|key| (key.clone(), key_mark(key))));
            }
        }
        Ok(marks)
    }

    /// Brings a range of numbers to hold these rows and no others, in any partition. What is there already is not written
    /// again.
    pub async fn settle(&self, (range, empty): (Range<u32>, bool), rows: Vec<Row>) -> Result<usize, ClusterError> {
        let mut there = if empty { Marks::new() } else { self.marks(range).await? };
        let mut missing = Vec::new();
        for row in rows {
            if there.remove(&row.key) != Some(row.mark()) {
                missing.push(row);
            }
        }
        let strays: Vec<String> = there.into_keys().collect();
        self.delete(&strays).await?;
        let written = missing.len();
        self.upsert(missing).await?;
        Ok(written)
    }

    async fn upsert(&self, rows: Vec<Row>) -> Result<(), ClusterError> {
        let mut parted: BTreeMap<Option<String>, Vec<Row>> = BTreeMap::new();
        for row in rows {
            parted.entry(row.partition.clone()).or_default().push(row);
        }
        for (partition, rows) in parted {
            for batch in batches(rows) {
                let mut insert =
                    InsertRequest::builder().collection_name(&self.name).columns(columns(self.kind, batch));
                if let Some(partition) = &partition {
                    insert = insert.partition_name(partition);
                }
                let insert = built(self, insert.build())?;
                let upsert = built(self, UpsertRequest::builder().insert(insert).build())?;
                self.milvus.repeat("write rows", async |client| client.upsert(upsert.clone()).await).await?;
            }
        }
        Ok(())
    }

    /// Deletes rows by their keys.
    pub async fn delete(&self, keys: &[String]) -> Result<(), ClusterError> {
        for part in keys.chunks(DELETED_AT_ONCE) {
            // Named in the expression itself: milvus-lite does not take what the client writes for a list of ids.
            let keys: Vec<String> = part.iter().map(|key| quoted(key)).collect();
            let filter = format!("{KEY} in [{}]", keys.join(", "));
            let delete = built(self, DeleteRequest::builder().collection_name(&self.name).filter(filter).build())?;
            self.milvus.repeat("delete rows", async |client| client.delete(delete.clone()).await).await?;
        }
        Ok(())
    }

    /// Deletes all rows from a number on.
    pub async fn clear_from(&self, number: u32) -> Result<(), ClusterError> {
        loop {
            let found = self.query(None, &format!("{NUMBER} >= {number}"), &[KEY], MOST_ROWS).await?;
            if found.get_row_count() == 0 {
                return Ok(());
            }
            self.delete(self.strings(&found, KEY)?).await?;
        }
    }

    /// Has what was written sealed, so that it is indexed.
    pub async fn flush(&self) -> Result<(), ClusterError> {
        let flush = built(self, FlushRequest::builder().collection_names([&self.name]).build())?;
        self.milvus.repeat("flush", async |client| client.flush(flush.clone()).await).await.map(drop)
    }

    /// A column of text.
    pub fn strings<'a>(&self, found: &'a QueryResults, name: &str) -> Result<&'a [String], ClusterError> {
        self.column(found, name, FieldData::as_varchar)
    }

    /// A column of whole numbers.
    pub fn numbers<'a>(&self, found: &'a QueryResults, name: &str) -> Result<&'a [i64], ClusterError> {
        self.column(found, name, FieldData::as_int64)
    }

    /// A column, read as what it should hold. Of no rows, there may be none.
    pub fn column<'a, T>(
        &self,
        found: &'a QueryResults,
        name: &str,
        read: fn(&FieldData) -> Option<&[T]>,
    ) -> Result<&'a [T], ClusterError> {
        match found.get_output_field(name) {
            None if found.get_row_count() == 0 => Ok(&[]),
            field => field
                .and_then(read)
                .ok_or_else(|| self.milvus.damaged(&self.name, format!("field {name} is not what was written"))),
        }
    }
}

/// Rows as requests take them.
fn batches(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let (mut batches, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
    for row in rows {
        if !batch.is_empty() && (batch.len() == BATCH_ROWS || bytes + row.bytes() > BATCH_BYTES) {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += row.bytes();
        batch.push(row);
    }
    batches.extend((!batch.is_empty()).then_some(batch));
    batches
}

/// Puts both halves of a range before what is left.
fn split(left: &mut Vec<Range<u32>>, range: Range<u32>) {
    let middle = range.start + (range.end - range.start) / 2;
    left.extend([middle..range.end, range.start..middle]);
}

/// A request that was built, or why it cannot be.
pub fn built<T>(shelf: &Shelf, request: milvus::v2::error::Result<T>) -> Result<T, ClusterError> {
    request.map_err(|error| shelf.milvus.connection.refused(&format!("take a request about {}", shelf.name), &error))
}
