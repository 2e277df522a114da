// Package shell keeps a lab up for people: Hold opens a shell on one of its hosts,
// and whoever calls Join in another terminal, or in one of its shells, gets a
// shell there too. They meet at a socket in a folder that is this user's alone;
// Join passes on the terminal's input, output and size.
package shell
