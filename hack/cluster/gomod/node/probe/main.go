// Does a node do for its Pods what it should? What the tests run in them, in an image of nothing else.
//
//	probe serve TEXT PORT   answers every HTTP request with TEXT, and logs it
//	probe get URL           prints the answer; asks again while nobody is there, as a Service may be a moment late
//	probe look NAME         prints the addresses of a name
//	probe own               prints the user's number, and whether the root file system may be written
//	probe eat MEGABYTES     uses so much memory
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

const (
	patience = 15 * time.Second
	pause    = 100 * time.Millisecond
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	switch words[0] {
	case "serve":
		fmt.Println("serving", words[1])
		return http.ListenAndServe(":"+words[2], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Println("asked for", r.URL.Path)
			fmt.Fprint(w, words[1])
		}))
	case "get":
		client := http.Client{Timeout: 5 * time.Second}
		answer, err := client.Get(words[1])
		for end := time.Now().Add(patience); err != nil && time.Now().Before(end); {
			time.Sleep(pause)
			answer, err = client.Get(words[1])
		}
		if err != nil {
			return err
		}
		_, err = io.Copy(os.Stdout, answer.Body)
		return err
	case "look":
		found, err := net.LookupHost(words[1])
		if err == nil {
			fmt.Println(found)
		}
		return err
	case "own":
		err := os.WriteFile("/written", nil, 0o600)
		fmt.Println(os.Getuid(), err == nil)
		return nil
	case "eat":
		megabytes, err := strconv.Atoi(words[1])
		if err != nil {
			return err
		}
		eaten := make([]byte, megabytes<<20)
		for i := range eaten {
			eaten[i] = 1
		}
		fmt.Println("ate", len(eaten))
		return nil
	}
	return fmt.Errorf("probe does not know %q", words[0])
}
