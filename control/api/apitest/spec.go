package apitest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// A Spec is a description in OpenAPI.
type Spec struct{ doc *openapi3.T }

// Load reads a description, which must be a valid one.
func Load(text []byte) (*Spec, error) {
	l := openapi3.NewLoader()
	doc, err := l.LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("description: %w", err)
	}
	if err := doc.Validate(l.Context); err != nil {
		return nil, fmt.Errorf("description: %w", err)
	}
	return &Spec{doc}, nil
}

// Routes are the requests, such as "GET /v1/status", sorted.
func (s *Spec) Routes() []string {
	var all []string
	for path, item := range s.doc.Paths.Map() {
		for method := range item.Operations() {
			all = append(all, method+" "+path)
		}
	}
	slices.Sort(all)
	return all
}

// Properties are the members of a schema, with whether they are required; nil:
// there is no such schema.
func (s *Spec) Properties(schema string) map[string]bool {
	ref := s.doc.Components.Schemas[schema]
	if ref == nil {
		return nil
	}
	all := map[string]bool{}
	for name := range ref.Value.Properties {
		all[name] = slices.Contains(ref.Value.Required, name)
	}
	return all
}

// Schemas are the names of all schemas.
func (s *Spec) Schemas() []string {
	var all []string
	for name := range s.doc.Components.Schemas {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// find is the operation of a request; nil: the description has none.
func (s *Spec) find(method, path string) *openapi3.Operation {
	for template, item := range s.doc.Paths.Map() {
		if matches(template, path) {
			return item.GetOperation(method)
		}
	}
	return nil
}

// matches reports whether path is one of template, whose {names} match anything.
func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") && g != "" })
}

// Request judges the body of a request.
func (s *Spec) Request(method, path string, body []byte) error {
	op := s.find(method, path)
	switch {
	case op == nil:
		return fmt.Errorf("%s %s is not described", method, path)
	case op.RequestBody == nil && len(body) > 0:
		return fmt.Errorf("%s %s is described without a body", method, path)
	case op.RequestBody == nil:
		return nil
	}
	return one(op.RequestBody.Value.Content.Get("application/json").Schema.Value, body, openapi3.VisitAsRequest())
}

// Answer judges an answer. A body of lines may break off at its end.
func (s *Spec) Answer(method, path string, status int, header http.Header, body []byte) error {
	op := s.find(method, path)
	if op == nil {
		return fmt.Errorf("%s %s is not described", method, path)
	}
	r := op.Responses.Status(status)
	if r == nil {
		return fmt.Errorf("%s %s: status %d is not described", method, path, status)
	}
	if len(r.Value.Content) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("%s %s: status %d is described without a body: %s", method, path, status, body)
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("%s %s: type of the answer: %w", method, path, err)
	}
	content := r.Value.Content.Get(media)
	if content == nil {
		return fmt.Errorf("%s %s: status %d is not described as %s", method, path, status, media)
	}
	if err := judge(media, content.Schema.Value, body); err != nil {
		return fmt.Errorf("%s %s: status %d: %w\n%s", method, path, status, err, body)
	}
	return nil
}

// judge judges a body of a media type.
func judge(media string, schema *openapi3.Schema, body []byte) error {
	switch media {
	case "application/x-ndjson":
		return lines(schema, body, "")
	case "text/event-stream":
		return lines(schema, body, "data: ")
	case "application/json":
		return one(schema, body, openapi3.VisitAsResponse())
	}
	return nil // text
}

// lines judges a body of one value a line, behind prefix; other lines are passed over.
func lines(schema *openapi3.Schema, body []byte, prefix string) error {
	in := bufio.NewScanner(bytes.NewReader(body))
	in.Buffer(nil, len(body)+1)
	for in.Scan() {
		text, ok := bytes.CutPrefix(in.Bytes(), []byte(prefix))
		if !ok {
			continue
		}
		if err := one(schema, text, openapi3.VisitAsResponse()); err != nil {
			return err
		}
	}
	return in.Err()
}

// one judges a value.
func one(schema *openapi3.Schema, text []byte, how openapi3.SchemaValidationOption) error {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	return schema.VisitJSON(v, how, openapi3.EnableFormatValidation())
}
