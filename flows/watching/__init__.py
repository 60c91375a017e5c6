"""What others see of a worker: metrics, life, readiness, traces.

The worker's steps note what they do in a `Watch`; `collector` and `probes` read it and
the worker's parts when they are asked; `health` answers by HTTP, for one worker or, by
`line` and `fleet`, for several.
"""
