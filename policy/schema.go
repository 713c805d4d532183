package policy

import _ "embed"

// schemaJSON is generated from the Policy type by the tests (go test -update): the
// generator reaches the network packages through its imports, and this room does not.
//
//go:embed schema.json
var schemaJSON string

// Schema is the JSON Schema (draft 2020-12) of a policy file, for editors. It says less
// than Parse checks: what it accepts may still be refused, never the other way round.
func Schema() []byte { return []byte(schemaJSON) }
