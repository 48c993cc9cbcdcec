"""A public test kit: real encoded video and servers in process, for tests of gifcue and of what talks to it."""
