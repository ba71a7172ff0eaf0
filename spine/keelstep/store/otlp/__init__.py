"""Traces for whatever reads OpenTelemetry: the spans of every run, made from the log and sent by OTLP.

What is here: `names` (what spans and attributes are called), `story` (a run's events become its spans, pure), `wire`
(spans as bytes), `receiver` (who takes them), `mark` (how far they are sent), `exporter` (all of it in a loop). What is
not: payloads, and people's names and words. A span is made of events that are in the tables, so that no lost process
takes one with it, and of nothing else, so that one which is sent twice is the same twice. Start with `exporter`.
"""
