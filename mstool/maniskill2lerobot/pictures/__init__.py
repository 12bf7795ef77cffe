"""Pictures as they are stored.

view_writer   a view's encoder, statistics and PNGs, on a thread of their own
profiles      how videos are encoded: all codec options
video         H.264, the same bytes everywhere
video_parts   videos cut into episodes again
packets       where an episode's packets are in a video
video_joiner  parts of videos as one video, packet by packet
pngs          pictures as PNGs in parquet
image_stats   exact statistics
"""
