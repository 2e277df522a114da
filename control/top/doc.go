// Package top shows a running director's services and real servers live, on a
// terminal or as text: what the view is made of (view.go), how it is laid out
// (render.go), and the terminal with its keys (terminal.go, keys.go).
package top
