//! The program as its users meet it: the real binary, the real small language model, the real embedding
//! model, a real gRPC client and real files. `make test` prepares what these need; nothing here is skipped.

// Everything the tests share: a twelve-line corpus, a folder for each test, the binary.
mod bench;

// Reading, enriching, publishing; again; killed in the middle.
mod enrichment;

// A model out of the hub's cache, and one behind an endpoint.
mod models;

// A real server behind a proxy that misbehaves; batches run elsewhere.
mod endpoint;

// Several endpoints of one model.
mod pool;

// Prompts and results in many files; plans for many machines.
mod scale;

// What no model should have to read, and what becomes of it.
mod adversarial;

// Passages that want something: of the model, the terminal, the page.
#[cfg(target_os = "linux")]
mod untrusted;

// The scripted server.
mod http;

// Crashes, damage, full disks, power cuts, a model's process that misbehaves.
#[cfg(target_os = "linux")]
mod faults;

// Handles in and out.
mod handles;

// Rows for training a model.
mod training;

// Handles that people decided on or joined, and what becomes of that.
mod people;

// What people take out for good, and passages that come up whatever is asked.
mod purging;

// Where settings come from; which models are here.
mod settings;

// Scopes, times, budgets: what is asked, and when.
mod asking;

// Finding, answering, measuring.
mod retrieval;

// What kinds are worth, what queries call for, how answers are measured.
mod measuring;

// Which passages a search is confined to.
mod filters;

// Changes to a corpus, and two generations compared.
mod freshness;

// Indexes that another version of the program wrote.
#[cfg(target_os = "linux")]
mod versions;

// Every form a corpus comes in.
mod formats;

// Files made to hang a reader, to exhaust it or to lead it astray.
#[cfg(target_os = "linux")]
mod hostile_files;

// A served index.
mod served;

// The service over gRPC.
mod service;

// Its answers.
mod answering;

// The service over HTTP, its keys and certificates.
mod web;

// What it survives: frames, floods and silences on the wire, and generations that break under it.
#[cfg(target_os = "linux")]
mod wire;

// A browser, spoken to by WebDriver.
mod browser;

// The service's page in it.
mod page;

// People looking at handles.
mod reviewing;

// The index as tools of an assistant.
mod mcp;

// A server that speaks Milvus's protocol.
mod milvus;

// The same lanes on it.
mod cluster;

// The same behind TLS.
mod cluster_tls;

// The same lanes split over several.
mod sharding;

// What is wrong with what came in, and which exit code says so.
mod bad_input;

// Our measures against a public tool's.
mod measures;

// The bundled corpus, its topics and its handles.
mod corpora;

// The README's map and the rules between crates.
mod house;
