// Package shell keeps a lab up for people: Hold opens a shell on one of its hosts,
// and Join, called in another terminal or in one of its shells, opens further
// ones. They meet at a socket in a folder that only this user may read;
// Join passes on the terminal's input, output and size.
package shell
