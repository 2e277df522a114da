// Package frametest is for tests: it takes frames apart slowly, describes them
// and makes random ones, through gopacket, so that package frame is checked by
// code that shares nothing with it. Package build makes the frames.
package frametest
