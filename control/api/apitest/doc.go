// Package apitest judges requests and answers of the control interface by its
// description, for tests.
package apitest
