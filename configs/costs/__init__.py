"""Races: what each rule has to move until machines have reached a goal, one file each."""
