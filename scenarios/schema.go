package scenarios

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// Schema gives the JSON Schema (draft-07) of scenario files, for editors. It
// is made from the decoder's own table of keys. The arguments of kinds are left
// open.
func Schema() ([]byte, error) {
	root := schemaOf(reflect.TypeFor[rawScenario]())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "evabench scenario"
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(text, '\n'), nil
}

func schemaOf(t reflect.Type) map[string]any {
	if x, ok := reflect.New(t).Interface().(nodeDecoder); ok {
		return x.schema()
	}
	switch {
	case t == durationType:
		return map[string]any{"type": "string", "pattern": `^-?([0-9.]+(ns|us|µs|ms|s|m|h))+$`}
	case t.Kind() == reflect.Struct:
		return structSchema(t)
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case t.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.Float64:
		return map[string]any{"type": "number"}
	default:
		return map[string]any{"type": "integer"}
	}
}

func structSchema(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, f := range fieldsOf(t) {
		s := schemaOf(f.typ)
		if f.doc != "" {
			s["description"] = f.doc
		}
		properties[f.name] = s
		if f.need != "" {
			required = append(required, f.name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		s["required"] = required
	}
	return s
}
