"""What a local keelstep is made of, without starting one."""
