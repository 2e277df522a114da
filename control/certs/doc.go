// Package certs reads a certificate, its key and the authorities of others from PEM
// files, and reads them again when they have been renewed: a listener or a dialler that
// asks a Source for each handshake needs no restart.
package certs
