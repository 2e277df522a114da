// Package logqueue lets a program log without ever waiting for the reader of the
// log. A full pipe, a stopped terminal or a blocked journal then costs lines,
// which are counted, and not the program.
package logqueue
