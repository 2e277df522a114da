package api

import (
	_ "embed"
	"net/http"
)

// openAPI describes all requests, in OpenAPI 3.0.
//
//go:embed openapi.yaml
var openAPI string

// description answers with the description of the API.
func description(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write([]byte(openAPI)) // it fails when the client has gone
}
